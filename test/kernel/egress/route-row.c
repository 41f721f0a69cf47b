// SPDX-License-Identifier: MIT
/* Source routing by ancillary data in a row of messages, for the first of which alone the kernel asks. */
#include "egress.h"
#include "route.h"

#include <string.h>
#include <sys/uio.h>

/*
 * Two messages to the same address, of which the second has ancillary data: the kernel asks its security modules for
 * the first alone.
 */
static void send_row(int fd, void *address, socklen_t size, const void *control, size_t length)
{
	struct iovec payload = {self.marker, strlen(self.marker)};
	struct mmsghdr messages[2] = {};

	for (int i = 0; i < 2; i++) {
		messages[i].msg_hdr.msg_name = address;
		messages[i].msg_hdr.msg_namelen = size;
		messages[i].msg_hdr.msg_iov = &payload;
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	messages[1].msg_hdr.msg_control = (void *)control;
	messages[1].msg_hdr.msg_controllen = length;
	note("sendmmsg", sendmmsg(fd, messages, 2, 0));
}

/* Adds a piece of ancillary data. Returns the new length. */
static size_t add_control(unsigned char *control, size_t at, const struct cmsghdr *what, const void *data,
			  size_t length)
{
	struct cmsghdr *header = (struct cmsghdr *)(control + at);

	*header = *what;
	header->cmsg_len = CMSG_LEN(length);
	memcpy(CMSG_DATA(header), data, length);
	return at + CMSG_SPACE(length);
}

#define CONTROL unsigned char control[512] __attribute__((aligned(8))) = {}

/* A header of options with nothing but padding in it. */
static const unsigned char padding[8] = {0, 0, 1, 4};

/* `before` is the option that stands in front of the route, or 0. */
static void row_ipv6(int fd, int option, unsigned char type, int before)
{
	CONTROL;
	unsigned char header[40];
	size_t length = ipv6_route(header, type), used = 0;
	struct sockaddr_in6 destination = ipv6(OK_IPV6);
	struct cmsghdr route = {.cmsg_level = IPPROTO_IPV6, .cmsg_type = option};
	struct cmsghdr other = {.cmsg_level = IPPROTO_IPV6, .cmsg_type = before};

	if (before)
		used = add_control(control, used, &other, padding, sizeof(padding));
	used = add_control(control, used, &route, header, length);
	send_row(fd, &destination, sizeof(destination), control, used);
}

static int udp6(void)
{
	return open_socket(AF_INET6, SOCK_DGRAM, 0);
}

static void row_header2(int)
{
	row_ipv6(udp6(), IPV6_RTHDR, ROUTE_2, 0);
}

static void row_segments(int)
{
	row_ipv6(udp6(), IPV6_RTHDR, ROUTE_SEGMENTS, 0);
}

static void row_header2_old(int)
{
	row_ipv6(udp6(), IPV6_2292RTHDR, ROUTE_2, 0);
}

static void row_hop_options(int)
{
	row_ipv6(udp6(), IPV6_RTHDR, ROUTE_2, IPV6_HOPOPTS);
}

static void row_hop_options_old(int)
{
	row_ipv6(udp6(), IPV6_2292RTHDR, ROUTE_2, IPV6_2292HOPOPTS);
}

static void row_route_options(int)
{
	row_ipv6(udp6(), IPV6_RTHDR, ROUTE_2, IPV6_RTHDRDSTOPTS);
}

static void row_end_options(int)
{
	row_ipv6(udp6(), IPV6_RTHDR, ROUTE_SEGMENTS, IPV6_DSTOPTS);
}

static void row_lite(int)
{
	row_ipv6(open_socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDPLITE), IPV6_RTHDR, ROUTE_2, 0);
}

static void row_raw(int)
{
	row_ipv6(open_socket(AF_INET6, SOCK_RAW, 253), IPV6_RTHDR, ROUTE_2, 0);
}

/* Larger than the interface takes: the header stands in every part. */
static void row_fragments(int)
{
	CONTROL;
	static unsigned char data[4000];
	unsigned char header[40];
	struct cmsghdr route = {.cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_RTHDR};
	size_t used = add_control(control, 0, &route, header, ipv6_route(header, ROUTE_2));
	struct sockaddr_in6 destination = ipv6(OK_IPV6);
	struct iovec payload = {data, sizeof(data)};
	struct mmsghdr messages[2] = {};

	for (int i = 0; i < 2; i++) {
		messages[i].msg_hdr.msg_name = &destination;
		messages[i].msg_hdr.msg_namelen = sizeof(destination);
		messages[i].msg_hdr.msg_iov = &payload;
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	for (size_t at = 0; at + 16 < sizeof(data); at += 16)
		memcpy(data + at, self.marker, strlen(self.marker));
	messages[1].msg_hdr.msg_control = control;
	messages[1].msg_hdr.msg_controllen = used;
	note("sendmmsg", sendmmsg(udp6(), messages, 2, 0));
}

/* More messages than two, the route in the last. */
static void row_long(int)
{
	CONTROL;
	unsigned char header[40];
	struct cmsghdr route = {.cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_RTHDR};
	size_t used = add_control(control, 0, &route, header, ipv6_route(header, ROUTE_2));
	struct sockaddr_in6 destination = ipv6(OK_IPV6);
	struct iovec payload = {self.marker, strlen(self.marker)};
	struct mmsghdr messages[32] = {};

	for (int i = 0; i < 32; i++) {
		messages[i].msg_hdr.msg_name = &destination;
		messages[i].msg_hdr.msg_namelen = sizeof(destination);
		messages[i].msg_hdr.msg_iov = &payload;
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	messages[31].msg_hdr.msg_control = control;
	messages[31].msg_hdr.msg_controllen = used;
	note("sendmmsg", sendmmsg(udp6(), messages, 32, 0));
}

static void row_ipv4(int family, unsigned char type)
{
	CONTROL;
	unsigned char option[8];
	struct sockaddr_in destination = ipv4(OK_IPV4);
	struct sockaddr_in6 mapped = ipv6("::ffff:" OK_IPV4);
	struct cmsghdr route = {.cmsg_level = IPPROTO_IP, .cmsg_type = IP_RETOPTS};
	size_t used;

	ipv4_route(option, type);
	used = add_control(control, 0, &route, option, sizeof(option));
	if (family == AF_INET)
		send_row(open_socket(AF_INET, SOCK_DGRAM, 0), &destination, sizeof(destination), control, used);
	else
		send_row(udp6(), &mapped, sizeof(mapped), control, used);
}

static void row_loose(int)
{
	row_ipv4(AF_INET, IPOPT_LSRR);
}

static void row_strict(int)
{
	row_ipv4(AF_INET, IPOPT_SSRR);
}

static void row_loose_mapped(int)
{
	row_ipv4(AF_INET6, IPOPT_LSRR);
}

static void row_ok(int)
{
	CONTROL;
	struct sockaddr_in6 destination = ipv6(OK_IPV6);
	int limit = 64;
	struct cmsghdr hops = {.cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_HOPLIMIT};
	size_t used = add_control(control, 0, &hops, &limit, sizeof(limit));

	send_row(udp6(), &destination, sizeof(destination), control, used);
}

const struct vector route_row_vectors[] = {
	{"row_header2", row_header2},
	{"row_header2_old", row_header2_old},
	{"row_segments", row_segments},
	{"row_hop_options", row_hop_options},
	{"row_hop_options_old", row_hop_options_old},
	{"row_route_options", row_route_options},
	{"row_end_options", row_end_options},
	{"row_fragments", row_fragments},
	{"row_long", row_long},
	{"row_udplite", row_lite},
	{"row_raw", row_raw},
	{"row_loose", row_loose},
	{"row_strict", row_strict},
	{"row_loose_mapped", row_loose_mapped},
	{"row_ok", row_ok},
	{},
};
