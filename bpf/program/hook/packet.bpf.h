/* SPDX-License-Identifier: GPL-2.0 */
/* What a packet that leaves is to be judged by. */
#ifndef BOUHEKI_PACKET_H
#define BOUHEKI_PACKET_H

#include "../flow.bpf.h"
#include "layout.bpf.h"

/* As what it is sent: the version in a header that a raw socket wrote may be anything. */
static __always_inline bool flow_from_packet(struct flow *flow, struct __sk_buff *skb)
{
	__u32 address[4] = {};

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, IPV4_DESTINATION, address, 4))
			return false;
		flow_set_ipv4(flow, address[0], 0);
	} else {
		if (bpf_skb_load_bytes(skb, IPV6_DESTINATION, address, 16))
			return false;
		flow_set_ipv6(flow, address, 0);
	}
	return true;
}

#endif
