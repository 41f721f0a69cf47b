// SPDX-License-Identifier: MIT
/*
 * The other end: sockets that no program reads. The kernel makes connections with them by itself, and sends no errors
 * back that the next system call of a vector would get.
 */
#include "egress.h"

#include <err.h>
#include <errno.h>
#include <linux/dccp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

static void open_end(int type, int protocol, unsigned short port)
{
	unsigned int service = htonl(DCCP_SERVICE);
	struct sockaddr_in6 all = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, protocol), yes = 1;

	if (fd < 0)
		return;
	/* Twice the same fixed port is one end. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (protocol == IPPROTO_DCCP)
		setsockopt(fd, SOL_DCCP, DCCP_SOCKOPT_SERVICE, &service, sizeof(service));
	if (bind(fd, (struct sockaddr *)&all, sizeof(all)) || (type != SOCK_DGRAM && listen(fd, 64)))
		if (errno != EADDRINUSE)
			err(2, "port %u", port);
}

void listen_on(unsigned short port, int protocol)
{
	if (protocol) {
		open_end(protocol == IPPROTO_DCCP ? SOCK_DCCP : SOCK_STREAM, protocol, port);
		return;
	}
	open_end(SOCK_STREAM, IPPROTO_TCP, port);
	open_end(SOCK_DGRAM, IPPROTO_UDP, port);
}

void dial(unsigned short port)
{
	pid_t pid = fork();
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port)}, there = here;
	int yes = 1;

	if (pid < 0)
		err(2, "fork");
	if (pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	inet_pton(AF_INET, EVIL_IPV4, &here.sin_addr);
	inet_pton(AF_INET, OUR_IPV4, &there.sin_addr);
	for (;;) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
		    bind(fd, (struct sockaddr *)&here, sizeof(here)))
			err(2, "dial");
		if (!connect(fd, (struct sockaddr *)&there, sizeof(there)))
			pause();
		close(fd);
		poll(NULL, 0, 50);
	}
}
