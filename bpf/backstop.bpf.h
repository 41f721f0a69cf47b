/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The last look at a packet, by its address alone: there is no process to ask for here, so only deny boxes that name
 * nothing but addresses count.
 */
#ifndef BOUHEKI_BACKSTOP_H
#define BOUHEKI_BACKSTOP_H

#include "decide.bpf.h"

#define ETH_P_IP 0x0800
#define IPV4_DESTINATION 16
#define IPV6_DESTINATION 24

static __always_inline bool stops_packet(struct __sk_buff *skb)
{
	__u32 key = (__u32)control.version & 1, side = key, address[4] = {}, class;
	__u32 wanted = SIDE_POLICY | SIDE_BLOCK;
	struct tables *tables = bpf_map_lookup_elem(&policy, &key);
	struct flow flow = {};

	KEEP(side);
	side &= 1;
	/* Whose packet it is, a container's or the host's, can't be told. */
	if ((control.flags[side] & (wanted | SIDE_CONTAINERS)) != wanted || !tables)
		return false;
	/* As what it is sent: the version in a header that a raw socket wrote may be anything. */
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, IPV4_DESTINATION, address, 4))
			return false;
		flow_set_ipv4(&flow, address[0], 0);
	} else {
		if (bpf_skb_load_bytes(skb, IPV6_DESTINATION, address, 16))
			return false;
		flow_set_ipv6(&flow, address, 0);
	}
	class = flow.family == 4 ? address_class4(tables, flow.low) : address_class6(flow.high, flow.low, side);
	class &= MAX_ADDRESS_CLASSES - 1;
#pragma unroll
	for (int i = 0; i < VECTOR_WORDS; i++)
		if (tables->address[class].word[i] & tables->backstop.word[i])
			return true;
	return false;
}

static __always_inline bool stops_packet_counted(struct __sk_buff *skb)
{
	if (!stops_packet(skb))
		return false;
	count(STOPPED_PACKET);
	return true;
}

#endif
