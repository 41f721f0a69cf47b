// SPDX-License-Identifier: MIT
/*
 * Sockets used again: what was noted of them holds no more. Most open their second connection with the data
 * (MSG_FASTOPEN), for which connect() is not called.
 */
#include "egress.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
/* Nothing listens there. */
#define CLOSED_PORT 9

static void send_fails(int fd)
{
	note("send", send(fd, self.marker, strlen(self.marker), MSG_NOSIGNAL));
}

static void disconnect(int fd)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};

	step("connect", connect(fd, &none, sizeof(none)));
}

static void fastopen_ipv4(int fd, const char *address)
{
	struct sockaddr_in destination = ipv4(address);

	send_to(fd, MSG_FASTOPEN | MSG_DONTWAIT, &destination, sizeof(destination));
}

static void fastopen_ipv6(int fd, const char *address)
{
	struct sockaddr_in6 destination = ipv6(address);

	send_to(fd, MSG_FASTOPEN | MSG_DONTWAIT, &destination, sizeof(destination));
}

static int connected(int protocol)
{
	int fd = open_socket(AF_INET, SOCK_STREAM, protocol);

	connect_ipv4(fd, OK_IPV4);
	return fd;
}

static int refused(int protocol)
{
	int fd = open_socket(AF_INET, SOCK_STREAM, protocol);
	struct sockaddr_in closed = ipv4(OK_IPV4);

	closed.sin_port = htons(CLOSED_PORT);
	note("connect", connect(fd, (struct sockaddr *)&closed, sizeof(closed)));
	return fd;
}

/* It was never connected. */
static void again_unconnected(int)
{
	int fd = open_socket(AF_INET, STREAM, 0);

	send_fails(fd);
	fastopen_ipv4(fd, EVIL_IPV4);
}

static void again6_unconnected(int)
{
	int fd = open_socket(AF_INET6, STREAM, 0);

	send_fails(fd);
	fastopen_ipv6(fd, EVIL_IPV6);
}

static void again6_mapped(int)
{
	int fd = open_socket(AF_INET6, STREAM, 0);

	send_fails(fd);
	fastopen_ipv6(fd, EVIL_MAPPED);
}

static void again_unconnected_ok(int)
{
	int fd = open_socket(AF_INET, STREAM, 0);

	send_fails(fd);
	fastopen_ipv4(fd, OK_IPV4);
}

static void again_refused(int)
{
	int fd = refused(0);

	send_fails(fd);
	fastopen_ipv4(fd, EVIL_IPV4);
}

static void again_refused_twice(int)
{
	int fd = refused(0);

	send_fails(fd);
	send_fails(fd);
	fastopen_ipv4(fd, EVIL_IPV4);
}

static void again_disconnected(int)
{
	int fd = connected(0);

	send_to(fd, 0, NULL, 0);
	disconnect(fd);
	send_fails(fd);
	fastopen_ipv4(fd, EVIL_IPV4);
}

/* Nothing was sent while it was connected. */
static void again_disconnected_unused(int)
{
	int fd = connected(0);

	disconnect(fd);
	send_fails(fd);
	fastopen_ipv4(fd, EVIL_IPV4);
}

/* Without a word in between: what was noted when it was connected is what there is. */
static void again_disconnected_silent(int)
{
	int fd = connected(0);

	send_to(fd, 0, NULL, 0);
	disconnect(fd);
	fastopen_ipv4(fd, EVIL_IPV4);
}

static void again_connected(int)
{
	int fd = connected(0);

	send_to(fd, 0, NULL, 0);
	disconnect(fd);
	connect_ipv4(fd, EVIL_IPV4);
}

/* A connection that the other end opened, let through as such; the other end dials again. */
static void again_accepted(int)
{
	int listener = open_socket(AF_INET, SOCK_STREAM, 0), fd, yes = 1;
	struct sockaddr_in here = ipv4(OUR_IPV4);

	set_option(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	step("bind", bind(listener, (struct sockaddr *)&here, sizeof(here)));
	step("listen", listen(listener, 1));
	fd = step("accept", accept(listener, NULL, NULL));
	note("send", send(fd, "", 0, MSG_NOSIGNAL));
	disconnect(fd);
	note("send", send(fd, "", 0, MSG_NOSIGNAL));
	close(listener);
	/* Not from the port that the other end knows. */
	fastopen_ipv4(fd, "10.99.0.3");
}

/* The kernel refuses the family after a policy has allowed the address. */
static void again_family(int)
{
	int fd = open_socket(AF_INET, STREAM, 0);
	struct sockaddr_in6 other = ipv6(OK_IPV6);

	note("connect", connect(fd, (struct sockaddr *)&other, sizeof(other)));
	send_fails(fd);
	fastopen_ipv4(fd, EVIL_IPV4);
}

/* The second descriptor is the same socket. */
static void again_duplicate(int)
{
	int fd = open_socket(AF_INET, STREAM, 0);

	send_fails(step("dup", dup(fd)));
	fastopen_ipv4(fd, EVIL_IPV4);
}

/* What a closed socket was allowed is not the next one's, which lies where it was. */
static void again_closed(int)
{
	for (int i = 0; i < 16; i++) {
		int fd = connected(0);

		send_to(fd, 0, NULL, 0);
		close(fd);
		fd = open_socket(AF_INET, STREAM, 0);
		fastopen_ipv4(fd, EVIL_IPV4);
		close(fd);
	}
}

static void again_shut_down(int)
{
	int fd = connected(0);

	send_to(fd, 0, NULL, 0);
	step("shutdown", shutdown(fd, SHUT_RDWR));
	disconnect(fd);
	send_fails(fd);
	fastopen_ipv4(fd, EVIL_IPV4);
}

/* A row of messages with a flag for them all, the first of them to the peer that is there. */
static void again_row(int)
{
	int fd = open_socket(AF_INET, STREAM, 0);
	struct sockaddr_in destination = ipv4(EVIL_IPV4);
	struct iovec payload = {self.marker, strlen(self.marker)};
	struct mmsghdr messages[2] = {
		{.msg_hdr = {.msg_iov = &payload, .msg_iovlen = 1}},
		{.msg_hdr = {.msg_name = &destination,
			     .msg_namelen = sizeof(destination),
			     .msg_iov = &payload,
			     .msg_iovlen = 1}},
	};

	note("sendmmsg", sendmmsg(fd, messages, 2, MSG_FASTOPEN | MSG_NOSIGNAL));
	note("sendmmsg", sendmmsg(fd, messages + 1, 1, MSG_FASTOPEN | MSG_NOSIGNAL));
}

/* The connection waits for the first send, which names another address. */
static void again_deferred(int)
{
	int fd = open_socket(AF_INET, SOCK_STREAM, 0), yes = 1;

	set_option(fd, IPPROTO_TCP, 30 /* TCP_FASTOPEN_CONNECT */, &yes, sizeof(yes));
	connect_ipv4(fd, OK_IPV4);
	send_ipv4(fd, EVIL_IPV4);
}

static void again_mptcp(int)
{
	int fd = open_socket(AF_INET, STREAM, IPPROTO_MPTCP);

	send_fails(fd);
	fastopen_ipv4(fd, EVIL_IPV4);
}

static void again_mptcp_refused(int)
{
	int fd = refused(IPPROTO_MPTCP);

	send_fails(fd);
	fastopen_ipv4(fd, EVIL_IPV4);
}

static void again_mptcp_disconnected(int)
{
	int fd = connected(IPPROTO_MPTCP);

	send_to(fd, 0, NULL, 0);
	disconnect(fd);
	send_fails(fd);
	fastopen_ipv4(fd, EVIL_IPV4);
}

/* A connection from before the policy is given another address, which may be reached and which the kernel refuses. */
static int connected_evil(int protocol)
{
	int fd = open_socket(AF_INET, SOCK_STREAM, protocol);

	connect_ipv4(fd, EVIL_IPV4);
	return fd;
}

static int tcp_connected(void)
{
	return connected_evil(0);
}

static int mptcp_connected(void)
{
	return connected_evil(IPPROTO_MPTCP);
}

static void again_renamed(int fd)
{
	struct sockaddr_in other = ipv4(OK_IPV4);

	note("connect", connect(fd, (struct sockaddr *)&other, sizeof(other)));
	send_to(fd, 0, NULL, 0);
}

/* The same with the data of a send. */
static void again_renamed_fastopen(int fd)
{
	struct sockaddr_in other = ipv4(OK_IPV4);

	note("sendto",
	     sendto(fd, self.marker, 1, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&other, sizeof(other)));
	send_to(fd, 0, NULL, 0);
}

const struct vector again_vectors[] = {
	{"again_unconnected", again_unconnected},
	{"again6_unconnected", again6_unconnected},
	{"again6_mapped", again6_mapped},
	{"again_unconnected_ok", again_unconnected_ok},
	{"again_refused", again_refused},
	{"again_refused_twice", again_refused_twice},
	{"again_disconnected", again_disconnected},
	{"again_disconnected_unused", again_disconnected_unused},
	{"again_disconnected_silent", again_disconnected_silent},
	{"again_connected", again_connected},
	{"again_accepted", again_accepted, .listener = DIALS},
	{"again_family", again_family},
	{"again_duplicate", again_duplicate},
	{"again_closed", again_closed},
	{"again_shut_down", again_shut_down},
	{"again_row", again_row},
	{"again_deferred", again_deferred},
	{"again_mptcp", again_mptcp},
	{"again_mptcp_refused", again_mptcp_refused},
	{"again_mptcp_disconnected", again_mptcp_disconnected},
	{"again_renamed", again_renamed, tcp_connected},
	{"again_renamed_fastopen", again_renamed_fastopen, tcp_connected},
	{"again_mptcp_renamed", again_renamed, mptcp_connected},
	{},
};
