// SPDX-License-Identifier: MIT
/* TCP and MPTCP. */
#include "egress.h"

#include <linux/mptcp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef SOL_MPTCP
#define SOL_MPTCP 284
#endif

static void tcp4_connect(int)
{
	connect_ipv4(open_socket(AF_INET, STREAM, 0), EVIL_IPV4);
}

static void tcp4_connect_ok(int)
{
	connect_ipv4(open_socket(AF_INET, STREAM, 0), OK_IPV4);
}

static void tcp6_connect(int)
{
	connect_ipv6(open_socket(AF_INET6, STREAM, 0), EVIL_IPV6);
}

static void tcp6_connect_ok(int)
{
	connect_ipv6(open_socket(AF_INET6, STREAM, 0), OK_IPV6);
}

/* The kernel takes an IPv6 address without its scope (RFC 2133). */
static void tcp6_connect_short(int)
{
	struct sockaddr_in6 destination = ipv6(EVIL_IPV6);

	connect_to(open_socket(AF_INET6, STREAM, 0), &destination, 24);
}

static void tcp6_connect_mapped(int)
{
	connect_ipv6(open_socket(AF_INET6, STREAM, 0), EVIL_MAPPED);
}

/* Its packets are known by where they come from. */
static void tcp4_connect_port0(int)
{
	int fd = open_socket(AF_INET, STREAM, 0);
	struct sockaddr_in here = ipv4(OUR_IPV4), destination = ipv4(EVIL_IPV4);

	step("bind", bind(fd, (struct sockaddr *)&here, sizeof(here)));
	destination.sin_port = 0;
	connect_to(fd, &destination, sizeof(destination));
}

static void tcp4_connect_length2(int)
{
	struct sockaddr_in destination = ipv4(EVIL_IPV4);

	connect_to(open_socket(AF_INET, STREAM, 0), &destination, 2);
}

/* An address of no length must not be taken for the one that lay at the same place before. */
static void tcp4_connect_length0(int)
{
	int fd = open_socket(AF_INET, STREAM, 0);
	struct sockaddr_in destination = ipv4(EVIL_IPV4);

	note("connect", connect(fd, (struct sockaddr *)&destination, 15));
	connect_to(fd, &destination, 0);
}

static void tcp4_connect_unspec(int)
{
	struct sockaddr_in destination = ipv4(EVIL_IPV4);

	destination.sin_family = AF_UNSPEC;
	connect_to(open_socket(AF_INET, STREAM, 0), &destination, sizeof(destination));
}

static void tcp4_connect_any(int)
{
	connect_ipv4(open_socket(AF_INET, STREAM, 0), "0.0.0.0");
}

static void tcp6_connect_any(int)
{
	connect_ipv6(open_socket(AF_INET6, STREAM, 0), "::");
}

static void fastopen(int family, int protocol, const void *destination, socklen_t length)
{
	send_to(open_socket(family, STREAM, protocol), MSG_FASTOPEN, destination, length);
}

static void tcp4_fastopen(int)
{
	struct sockaddr_in destination = ipv4(EVIL_IPV4);

	fastopen(AF_INET, 0, &destination, sizeof(destination));
}

static void tcp4_fastopen_ok(int)
{
	struct sockaddr_in destination = ipv4(OK_IPV4);

	fastopen(AF_INET, 0, &destination, sizeof(destination));
}

static void tcp6_fastopen(int)
{
	struct sockaddr_in6 destination = ipv6(EVIL_IPV6);

	fastopen(AF_INET6, 0, &destination, sizeof(destination));
}

static void tcp6_fastopen_mapped(int)
{
	struct sockaddr_in6 destination = ipv6(EVIL_MAPPED);

	fastopen(AF_INET6, 0, &destination, sizeof(destination));
}

static void tcp4_fastopen_sendmmsg(int)
{
	struct sockaddr_in destination = ipv4(EVIL_IPV4);
	struct iovec payload = {self.marker, strlen(self.marker)};
	struct mmsghdr message = {
		.msg_hdr = {.msg_name = &destination,
			    .msg_namelen = sizeof(destination),
			    .msg_iov = &payload,
			    .msg_iovlen = 1},
	};

	note("sendmmsg", sendmmsg(open_socket(AF_INET, STREAM, 0), &message, 1, MSG_FASTOPEN));
}

/* The SYN leaves at the first send instead of at connect(), unless a cookie is there. */
static void tcp4_fastopen_connect(int)
{
	int fd = open_socket(AF_INET, SOCK_STREAM, 0), yes = 1;

	set_option(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &yes, sizeof(yes));
	connect_ipv4(fd, EVIL_IPV4);
	note("send", send(fd, self.marker, strlen(self.marker), MSG_NOSIGNAL));
}

static int tcp4_connected_ok(void)
{
	int fd = open_socket(AF_INET, SOCK_STREAM, 0);

	connect_ipv4(fd, OK_IPV4);
	return fd;
}

static void tcp4_send_ok(int)
{
	send_to(tcp4_connected_ok(), 0, NULL, 0);
}

static void tcp4_write_ok(int)
{
	step("write", write(tcp4_connected_ok(), self.marker, strlen(self.marker)));
}

/* A stream that is connected does not look at the address. */
static void tcp4_connected_sendto(int)
{
	send_ipv4(tcp4_connected_ok(), EVIL_IPV4);
}

static void tcp4_unconnected_sendto(int)
{
	send_ipv4(open_socket(AF_INET, STREAM, 0), EVIL_IPV4);
}

static void mptcp_connect(int)
{
	connect_ipv4(open_socket(AF_INET, STREAM, IPPROTO_MPTCP), EVIL_IPV4);
}

static void mptcp6_connect(int)
{
	connect_ipv6(open_socket(AF_INET6, STREAM, IPPROTO_MPTCP), EVIL_IPV6);
}

static void mptcp_connect_ok(int)
{
	connect_ipv4(open_socket(AF_INET, STREAM, IPPROTO_MPTCP), OK_IPV4);
}

static void mptcp_fastopen(int)
{
	struct sockaddr_in destination = ipv4(EVIL_IPV4);

	fastopen(AF_INET, IPPROTO_MPTCP, &destination, sizeof(destination));
}

/* A connection that the other end opened. */
static int accepted(void)
{
	int fd = open_socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in here = ipv4(OUR_IPV4);

	step("bind", bind(fd, (struct sockaddr *)&here, sizeof(here)));
	step("listen", listen(fd, 1));
	return step("accept", accept(fd, NULL, NULL));
}

static void reply(int fd)
{
	send_to(fd, 0, NULL, 0);
}

static void accepted_reply(int)
{
	reply(accepted());
}

/* Whether the kernel has begun to connect to an address that the peer has named. Linux 5.16 and later say so. */
static bool took_announced(int fd)
{
	struct mptcp_info info = {};
	socklen_t size = sizeof(info);

	return !getsockopt(fd, SOL_MPTCP, MPTCP_INFO, &info, &size) && info.mptcpi_add_addr_accepted;
}

/* The peer names another address of its own, and the kernel connects to that too, when it gets to it. */
static void mptcp_announced(int)
{
	int fd = open_socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);

	connect_ipv4(fd, OK_IPV4);
	send_to(fd, 0, NULL, 0);
	for (int tries = 0; tries < 20 && !took_announced(fd); tries++)
		poll(NULL, 0, 100);
	poll(NULL, 0, 100);
}

const struct vector tcp_vectors[] = {
	{"tcp4_connect", tcp4_connect},
	{"tcp4_connect_ok", tcp4_connect_ok},
	{"tcp6_connect", tcp6_connect},
	{"tcp6_connect_ok", tcp6_connect_ok},
	{"tcp6_connect_short", tcp6_connect_short},
	{"tcp6_connect_mapped", tcp6_connect_mapped},
	{"tcp4_connect_port0", tcp4_connect_port0},
	{"tcp4_connect_length2", tcp4_connect_length2},
	{"tcp4_connect_length0", tcp4_connect_length0},
	{"tcp4_connect_unspec", tcp4_connect_unspec},
	{"tcp4_connect_any", tcp4_connect_any},
	{"tcp6_connect_any", tcp6_connect_any},
	{"tcp4_fastopen", tcp4_fastopen},
	{"tcp4_fastopen_ok", tcp4_fastopen_ok},
	{"tcp6_fastopen", tcp6_fastopen},
	{"tcp6_fastopen_mapped", tcp6_fastopen_mapped},
	{"tcp4_fastopen_sendmmsg", tcp4_fastopen_sendmmsg},
	{"tcp4_fastopen_connect", tcp4_fastopen_connect},
	{"tcp4_send_ok", tcp4_send_ok},
	{"tcp4_write_ok", tcp4_write_ok},
	{"tcp4_connected_sendto", tcp4_connected_sendto},
	{"tcp4_unconnected_sendto", tcp4_unconnected_sendto},
	{"accepted_reply", accepted_reply, .listener = DIALS},
	{"accepted_prepared_reply", reply, accepted, .listener = DIALS},
	{"mptcp_connect", mptcp_connect},
	{"mptcp6_connect", mptcp6_connect},
	{"mptcp_connect_ok", mptcp_connect_ok},
	{"mptcp_fastopen", mptcp_fastopen},
	{"mptcp_announced", mptcp_announced, .listener = IPPROTO_MPTCP},
	{},
};
