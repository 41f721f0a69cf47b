// SPDX-License-Identifier: MIT
/*
 * The oracle: a packet socket that sees what leaves any interface of the network, after everything that could stop it,
 * and another that sees what arrives at the other end, for what leaves unseen.
 */
#include "egress.h"

#include <err.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SNAPSHOT 2048
#define QUEUE (16 << 20)

#define SCTP_DATA 0
#define SCTP_INIT 1
#define SCTP_HEARTBEAT 4
#define DCCP_REQUEST 0
#define DCCP_DATA 2
#define DCCP_DATAACK 4

struct packet {
	struct sighting destination;
	const unsigned char *payload; /* of IP */
	size_t length;
};

int open_sniffer(void)
{
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL)), size = QUEUE;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		err(2, "sniffer");
	return fd;
}

static unsigned short word_at(const unsigned char *bytes)
{
	return bytes[0] << 8 | bytes[1];
}

static bool parse_ipv4(const unsigned char *bytes, size_t length, struct packet *packet)
{
	const struct iphdr *header = (const struct iphdr *)bytes;
	size_t size = header->ihl * 4, total = ntohs(header->tot_len);

	if (length < sizeof(*header) || total > length || size > total)
		return false;
	inet_ntop(AF_INET, &header->daddr, packet->destination.address, sizeof(packet->destination.address));
	packet->destination.protocol = header->protocol;
	packet->payload = bytes + size;
	packet->length = total - size;
	return true;
}

static bool parse_ipv6(const unsigned char *bytes, size_t length, struct packet *packet)
{
	const struct ip6_hdr *header = (const struct ip6_hdr *)bytes;
	size_t at = sizeof(*header);
	unsigned char next;

	if (length < at)
		return false;
	inet_ntop(AF_INET6, &header->ip6_dst, packet->destination.address, sizeof(packet->destination.address));
	next = header->ip6_nxt;
	while ((next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS) && at + 8 <= length) {
		next = bytes[at];
		at += 8 * (bytes[at + 1] + 1);
	}
	if (at > length)
		return false;
	packet->destination.protocol = next;
	packet->payload = bytes + at;
	packet->length = length - at;
	return true;
}

/*
 * Whether a process made it leave: what opens a connection and what carries data, but no answer that the kernel gives
 * by itself on a connection that is there.
 */
static bool counts(const struct packet *packet)
{
	const unsigned char *payload = packet->payload;

	switch (packet->destination.protocol) {
	case IPPROTO_TCP: {
		const struct tcphdr *header = (const struct tcphdr *)payload;

		return packet->length >= sizeof(*header) &&
		       ((header->syn && !header->ack) || packet->length > header->doff * 4U);
	}
	case IPPROTO_SCTP:
		return packet->length > 12 &&
		       (payload[12] == SCTP_DATA || payload[12] == SCTP_INIT || payload[12] == SCTP_HEARTBEAT);
	case IPPROTO_DCCP: {
		int type = packet->length > 8 ? payload[8] >> 1 & 15 : -1;

		return type == DCCP_REQUEST || type == DCCP_DATA || type == DCCP_DATAACK;
	}
	}
	return true;
}

static bool has_ports(unsigned char protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_DCCP || protocol == IPPROTO_UDPLITE;
}

/* The vector a packet is of: by the port it goes to, the port it comes from, the marker in it. */
static int place_of_packet(const struct packet *packet, int (*place)(unsigned short port))
{
	const char *marker;
	int found = -1;

	if (has_ports(packet->destination.protocol) && packet->length >= 4) {
		found = place(word_at(packet->payload + 2));
		if (found < 0)
			found = place(word_at(packet->payload));
	}
	if (found >= 0)
		return found;
	marker = memmem(packet->payload, packet->length, "egress-", 7);
	return marker ? place(strtoul(marker + 7, NULL, 10)) : -1;
}

static void add(struct sightings *sightings, const struct sighting *sighting)
{
	for (int i = 0; i < sightings->count; i++)
		if (!memcmp(&sightings->sighting[i], sighting, sizeof(*sighting)))
			return;
	if (sightings->count < MAX_SIGHTINGS)
		sightings->sighting[sightings->count++] = *sighting;
}

#define IGMP_REPORT 0x22
#define MLD_REPORT 143
#define REPORT_RECORDS 8

static unsigned short reported_port(const unsigned char *source, size_t size)
{
	struct sockaddr_in6 ours;

	if (size == 4)
		return (source[0] << 8 | source[1]) == REPORT_SOURCE4 >> 16 ? word_at(source + 2) : 0;
	inet_pton(AF_INET6, REPORT_SOURCE6, &ours.sin6_addr);
	return memcmp(source, &ours.sin6_addr, 14) ? 0 : word_at(source + 14);
}

/* A report of memberships is of every vector whose source stands in it, and goes to all that listen to the group. */
static bool add_report(const struct packet *packet, struct sightings *seen, int (*place)(unsigned short port))
{
	const unsigned char *bytes = packet->payload, *end = bytes + packet->length;
	bool igmp = packet->destination.protocol == IPPROTO_IGMP, mld = packet->destination.protocol == IPPROTO_ICMPV6;
	size_t size = igmp ? 4 : 16;

	if (packet->length < REPORT_RECORDS || !((igmp && *bytes == IGMP_REPORT) || (mld && *bytes == MLD_REPORT)))
		return false;
	for (int left = word_at(bytes + 6), at = REPORT_RECORDS; left > 0 && bytes + at + 4 + size <= end; left--) {
		const unsigned char *record = bytes + at, *source = record + 4 + size;
		int sources = word_at(record + 2);

		for (int i = 0; i < sources && source + size <= end; i++, source += size) {
			int found = place(reported_port(source, size));
			struct sighting sighting = {.protocol = packet->destination.protocol};

			inet_ntop(igmp ? AF_INET : AF_INET6, record + 4, sighting.address, sizeof(sighting.address));
			if (found >= 0)
				add(&seen[found], &sighting);
		}
		at += 4 + size * (1 + sources) + 4 * record[1];
	}
	return true;
}

void drain_sniffer(int fd, bool arriving, struct sightings *seen, int (*place)(unsigned short port))
{
	static unsigned char bytes[SNAPSHOT + 1];
	struct sockaddr_ll from;
	socklen_t size = sizeof(from);
	ssize_t length;

	while ((length = recvfrom(fd, bytes, SNAPSHOT, 0, (struct sockaddr *)&from, &size)) >= 0) {
		struct packet packet = {};
		bool whole = from.sll_protocol == htons(ETH_P_IP)     ? parse_ipv4(bytes, length, &packet)
			     : from.sll_protocol == htons(ETH_P_IPV6) ? parse_ipv6(bytes, length, &packet)
								      : false;
		int found;

		/* Ends the number of a marker. */
		bytes[length] = 0;
		if (!seen || (from.sll_pkttype == PACKET_OUTGOING) == arriving || !whole || !counts(&packet))
			continue;
		/* What the other end says to itself arrives there too. */
		if (arriving && from.sll_hatype == ARPHRD_LOOPBACK)
			continue;
		if (add_report(&packet, seen, place))
			continue;
		found = place_of_packet(&packet, place);
		if (found < 0)
			continue;
		if (has_ports(packet.destination.protocol) && packet.length >= 4)
			packet.destination.port = word_at(packet.payload + 2);
		add(&seen[found], &packet.destination);
	}
}
