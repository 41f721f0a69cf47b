// SPDX-License-Identifier: MIT
/*
 * Source routing: the address given is that of a peer which may be reached, and the packet goes to another one first.
 * IPv4's needs CAP_NET_RAW, IPv6's nothing.
 */
#include "route.h"

#include "egress.h"

#include <string.h>
#include <sys/uio.h>

void ipv4_route(unsigned char option[8], unsigned char type)
{
	struct sockaddr_in hop = ipv4(EVIL_IPV4);

	option[0] = type;
	option[1] = 7;
	option[2] = IPOPT_MINOFF;
	memcpy(option + 3, &hop.sin_addr, 4);
	option[7] = IPOPT_EOL;
}

static void set_ipv4_route(int fd, unsigned char type)
{
	unsigned char option[8];

	ipv4_route(option, type);
	set_option(fd, IPPROTO_IP, IP_OPTIONS, option, sizeof(option));
}

size_t ipv6_route(unsigned char *header, unsigned char type)
{
	size_t addresses = type == ROUTE_SEGMENTS ? 2 : 1;
	struct sockaddr_in6 hop = ipv6(EVIL_IPV6);

	memset(header, 0, 8 + 16 * addresses);
	header[1] = 2 * addresses;
	header[2] = type;
	header[3] = 1;
	if (type == ROUTE_SEGMENTS)
		header[4] = 1;
	/* The kernel puts the address given in front of them. */
	memcpy(header + 8 + 16 * (addresses - 1), &hop.sin6_addr, 16);
	return 8 + 16 * addresses;
}

static void set_ipv6_route(int fd, unsigned char type)
{
	unsigned char header[40];
	size_t length = ipv6_route(header, type);

	set_option(fd, IPPROTO_IPV6, IPV6_RTHDR, header, length);
}

/* A message to the address with one piece of ancillary data. */
static void send_with(int fd, void *address, socklen_t size, int level, int type, const void *data, size_t length)
{
	unsigned char control[256] __attribute__((aligned(8))) = {};
	struct iovec payload = {self.marker, strlen(self.marker)};
	struct msghdr message = {
		.msg_name = address,
		.msg_namelen = size,
		.msg_iov = &payload,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_SPACE(length),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = level;
	header->cmsg_type = type;
	header->cmsg_len = CMSG_LEN(length);
	memcpy(CMSG_DATA(header), data, length);
	step("sendmsg", sendmsg(fd, &message, 0));
}

static int loose_open(void)
{
	int fd = open_socket(AF_INET, SOCK_DGRAM, 0);

	set_ipv4_route(fd, IPOPT_LSRR);
	return fd;
}

static void send_ok_ipv4(int fd)
{
	send_ipv4(fd, OK_IPV4);
}

static void loose_udp(int)
{
	send_ok_ipv4(loose_open());
}

static void strict_udp(int)
{
	int fd = open_socket(AF_INET, SOCK_DGRAM, 0);

	set_ipv4_route(fd, IPOPT_SSRR);
	send_ok_ipv4(fd);
}

static void loose_tcp(int)
{
	int fd = open_socket(AF_INET, STREAM, 0);

	set_ipv4_route(fd, IPOPT_LSRR);
	connect_ipv4(fd, OK_IPV4);
}

static void loose_message(int)
{
	unsigned char option[8];
	struct sockaddr_in destination = ipv4(OK_IPV4);

	ipv4_route(option, IPOPT_LSRR);
	send_with(open_socket(AF_INET, SOCK_DGRAM, 0), &destination, sizeof(destination), IPPROTO_IP, IP_RETOPTS,
		  option, sizeof(option));
}

static int header2_open(void)
{
	int fd = open_socket(AF_INET6, SOCK_DGRAM, 0);

	set_ipv6_route(fd, ROUTE_2);
	return fd;
}

static void send_ok_ipv6(int fd)
{
	send_ipv6(fd, OK_IPV6);
}

static void header2_udp(int)
{
	send_ok_ipv6(header2_open());
}

static void header2_tcp(int)
{
	int fd = open_socket(AF_INET6, STREAM, 0);

	set_ipv6_route(fd, ROUTE_2);
	connect_ipv6(fd, OK_IPV6);
}

static void segments_udp(int)
{
	int fd = open_socket(AF_INET6, SOCK_DGRAM, 0);

	set_ipv6_route(fd, ROUTE_SEGMENTS);
	send_ok_ipv6(fd);
}

static void segments_tcp(int)
{
	int fd = open_socket(AF_INET6, STREAM, 0);

	set_ipv6_route(fd, ROUTE_SEGMENTS);
	connect_ipv6(fd, OK_IPV6);
}

static void header2_message_of(int type)
{
	unsigned char header[40];
	size_t length = ipv6_route(header, ROUTE_2);
	struct sockaddr_in6 destination = ipv6(OK_IPV6);

	send_with(open_socket(AF_INET6, SOCK_DGRAM, 0), &destination, sizeof(destination), IPPROTO_IPV6, type, header,
		  length);
}

static void header2_message(int)
{
	header2_message_of(IPV6_RTHDR);
}

/* The number it had in RFC 2292. */
static void header2_message_old(int)
{
	header2_message_of(IPV6_2292RTHDR);
}

/* Without an address: the peer is one that may be reached. */
static void header2_message_connected(int)
{
	unsigned char header[40];
	size_t length = ipv6_route(header, ROUTE_2);
	int fd = open_socket(AF_INET6, SOCK_DGRAM, 0);

	connect_ipv6(fd, OK_IPV6);
	send_with(fd, NULL, 0, IPPROTO_IPV6, IPV6_RTHDR, header, length);
}

/* The header as an option in the form of ancillary data (RFC 2292). */
static void header2_options_old(int)
{
	unsigned char data[64] __attribute__((aligned(8))) = {}, header[40];
	size_t length = ipv6_route(header, ROUTE_2);
	struct cmsghdr *option = (struct cmsghdr *)data;
	int fd = open_socket(AF_INET6, SOCK_DGRAM, 0);

	option->cmsg_level = IPPROTO_IPV6;
	option->cmsg_type = IPV6_2292RTHDR;
	option->cmsg_len = CMSG_LEN(length);
	memcpy(CMSG_DATA(option), header, length);
	set_option(fd, IPPROTO_IPV6, IPV6_2292PKTOPTIONS, data, CMSG_SPACE(length));
	send_ok_ipv6(fd);
}

const struct vector route_vectors[] = {
	{"loose_udp", loose_udp},
	{"loose_udp_prepared", send_ok_ipv4, loose_open},
	{"strict_udp", strict_udp},
	{"loose_tcp", loose_tcp},
	{"loose_message", loose_message},
	{"header2_udp", header2_udp},
	{"header2_udp_prepared", send_ok_ipv6, header2_open},
	{"header2_tcp", header2_tcp},
	{"header2_message", header2_message},
	{"header2_message_old", header2_message_old},
	{"header2_message_connected", header2_message_connected},
	{"header2_options_old", header2_options_old},
	{"segments_udp", segments_udp},
	{"segments_tcp", segments_tcp},
	{},
};
