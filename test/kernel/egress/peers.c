// SPDX-License-Identifier: MIT
/*
 * The other end: sockets that nobody reads. The kernel makes connections with them by itself, and sends no errors back
 * that the next system call of a vector would get.
 */
#include "egress.h"

#include <err.h>
#include <errno.h>
#include <linux/dccp.h>
#include <unistd.h>

static void open_end(int type, int protocol, unsigned short port)
{
	unsigned int service = htonl(DCCP_SERVICE);
	struct sockaddr_in6 all = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
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
