// SPDX-License-Identifier: MIT
/* What vectors are written with. */
#include "egress.h"

#include <errno.h>
#include <err.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct self self;

void end(void)
{
	self.outcome->ended = true;
	_exit(0);
}

long note(const char *what, long result)
{
	self.outcome->error = result < 0 ? errno : 0;
	snprintf(self.outcome->step, sizeof(self.outcome->step), "%s", what);
	return result;
}

long step(const char *what, long result)
{
	if (note(what, result) < 0)
		end();
	return result;
}

void absent(const char *what)
{
	note(what, 0);
	self.outcome->absent = true;
	end();
}

struct sockaddr_in ipv4(const char *address)
{
	struct sockaddr_in destination = {.sin_family = AF_INET, .sin_port = htons(self.port)};

	if (inet_pton(AF_INET, address, &destination.sin_addr) != 1)
		errx(2, "%s", address);
	return destination;
}

struct sockaddr_in6 ipv6(const char *address)
{
	struct sockaddr_in6 destination = {.sin6_family = AF_INET6, .sin6_port = htons(self.port)};

	if (inet_pton(AF_INET6, address, &destination.sin6_addr) != 1)
		errx(2, "%s", address);
	return destination;
}

int open_socket(int family, int type, int protocol)
{
	int fd = socket(family, type, protocol);

	if (fd < 0 && (errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT))
		absent("socket");
	return step("socket", fd);
}

void set_option(int fd, int level, int name, const void *value, socklen_t length)
{
	step("setsockopt", setsockopt(fd, level, name, value, length));
}

void connect_to(int fd, const void *address, socklen_t length)
{
	int result = connect(fd, address, length);

	step("connect", result && errno == EINPROGRESS ? 0 : result);
}

void send_to(int fd, int flags, const void *address, socklen_t length)
{
	long result = sendto(fd, self.marker, strlen(self.marker), flags | MSG_NOSIGNAL, address, length);

	step("sendto", result < 0 && errno == EINPROGRESS ? 0 : result);
}

void connect_ipv4(int fd, const char *address)
{
	struct sockaddr_in destination = ipv4(address);

	connect_to(fd, &destination, sizeof(destination));
}

void connect_ipv6(int fd, const char *address)
{
	struct sockaddr_in6 destination = ipv6(address);

	connect_to(fd, &destination, sizeof(destination));
}

void send_ipv4(int fd, const char *address)
{
	struct sockaddr_in destination = ipv4(address);

	send_to(fd, 0, &destination, sizeof(destination));
}

void send_ipv6(int fd, const char *address)
{
	struct sockaddr_in6 destination = ipv6(address);

	send_to(fd, 0, &destination, sizeof(destination));
}

/* A sender may leave the sum out over IPv4; over IPv6 the receiver throws such a datagram away, which is all the same.
 */
static size_t udp_datagram(unsigned char *packet)
{
	size_t length = sizeof(struct udphdr) + strlen(self.marker);
	struct udphdr header = {.source = htons(self.port), .dest = htons(self.port), .len = htons(length)};

	memcpy(packet, &header, sizeof(header));
	memcpy(packet + sizeof(header), self.marker, strlen(self.marker));
	return length;
}

size_t ipv4_datagram(unsigned char *packet, const char *address)
{
	size_t length = sizeof(struct iphdr) + udp_datagram(packet + sizeof(struct iphdr));
	struct iphdr header = {
		.version = 4,
		.ihl = 5,
		.tot_len = htons(length),
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.saddr = ipv4(OUR_IPV4).sin_addr.s_addr,
		.daddr = ipv4(address).sin_addr.s_addr,
	};
	unsigned int sum = 0;

	for (size_t i = 0; i < sizeof(header) / 2; i++) {
		unsigned short word;

		memcpy(&word, (char *)&header + 2 * i, 2);
		sum += word;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	header.check = ~(sum + (sum >> 16));
	memcpy(packet, &header, sizeof(header));
	return length;
}

size_t ipv6_datagram(unsigned char *packet, const char *address)
{
	size_t length = udp_datagram(packet + sizeof(struct ip6_hdr));
	struct ip6_hdr header = {.ip6_flow = htonl(6U << 28), .ip6_plen = htons(length)};

	header.ip6_nxt = IPPROTO_UDP;
	header.ip6_hlim = 64;
	header.ip6_src = ipv6("fd99::1").sin6_addr;
	header.ip6_dst = ipv6(address).sin6_addr;
	memcpy(packet, &header, sizeof(header));
	return sizeof(header) + length;
}
