/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Datagrams on their way into the queue of a socket, before the program can answer them. Only those that come from
 * elsewhere open a conversation: one that this host has made, with a source that is not its own, would open a way to
 * that address.
 */
#ifndef BOUHEKI_RECEIVE_H
#define BOUHEKI_RECEIVE_H

#include "packet.bpf.h"
#include "peer.bpf.h"
#include "talk.bpf.h"

/* A network namespace whose addresses and routes any user may have made up, in a user namespace of its own. */
static __always_inline bool is_of_user(const struct sock *sk)
{
	struct net *net = BPF_CORE_READ(sk, __sk_common.skc_net.net);

	return BPF_CORE_READ(net, user_ns, owner.val);
}

/*
 * Whether a datagram comes from where it says. What this host sends to itself has an address of the host as its source,
 * most often that which it is sent to; but IPV6_FREEBIND lets any process take any address for its own, and what it
 * then sends to the host comes by the loopback device, or is the host's own copy of what goes to a group.
 */
static __always_inline bool is_believed(const struct flow *from, const struct flow *to, int interface, __u32 type)
{
	if (interface != LOOPBACK_IFINDEX && type != PACKET_LOOPBACK)
		return true;
	if (from->family == 4 && (__u32)from->low >> 24 == 127)
		return true;
	return from->high == to->high && from->low == to->low;
}

/* The addresses stand in the header one after the other, the source first. A packet of IPv6 has no mapped ones. */
static __always_inline bool flows_from_header(struct flow *from, struct flow *to, const __u32 *addresses, bool ipv4,
					      __u16 port)
{
	if (ipv4) {
		flow_set_ipv4(from, addresses[0], port);
		flow_set_ipv4(to, addresses[1], port);
		return addresses[0];
	}
	flow_set_ipv6(from, &addresses[0], port);
	flow_set_ipv6(to, &addresses[4], port);
	return from->family == 6 && (addresses[0] | addresses[1] | addresses[2] | addresses[3]);
}

static __always_inline void hear_datagram(const struct sock *sk, const struct sk_buff *skb)
{
	const unsigned char *header = skb->head + skb->network_header;
	bool ipv4 = skb->protocol == bpf_htons(ETH_P_IP);
	struct flow from = {}, to = {};
	__u32 addresses[8] = {};
	__u16 port = 0;

	/* What a connected socket that was judged receives comes from its peer, and changes nothing. */
	if (is_kernel_socket(sk) || peer_kind(peer_state(socket_key(sk))) == PEER_DATAGRAM || is_of_user(sk))
		return;
	if (bpf_probe_read_kernel(&port, sizeof(port), skb->head + skb->transport_header) ||
	    bpf_probe_read_kernel(addresses, ipv4 ? 8 : 32, header + (ipv4 ? IPV4_SOURCE : IPV6_SOURCE)))
		return;
	if (flows_from_header(&from, &to, addresses, ipv4, port) &&
	    is_believed(&from, &to, skb->skb_iif, BPF_CORE_READ_BITFIELD(skb, pkt_type)))
		hear(socket_number(sk->sk_socket), mixed(socket_key(sk)), &from);
}

/* The same of a packet, which begins with its IP header. */
static __always_inline void hear_packet(struct __sk_buff *skb)
{
	bool ipv4 = skb->protocol == bpf_htons(ETH_P_IP);
	struct bpf_sock *sk = skb->sk ? bpf_sk_fullsock(skb->sk) : 0;
	struct flow from = {}, to = {};
	__u32 addresses[8] = {}, at;
	struct sock *real;
	__u16 port = 0;

	if (!sk || sk->type != SOCK_DGRAM || !has_conversations(sk->protocol) || is_kernel_packet(sk))
		return;
	real = real_socket(sk);
	at = ipv4 ? payload4(skb) : payload6(skb);
	if (!at || is_of_user(real) || bpf_skb_load_bytes(skb, at, &port, sizeof(port)) ||
	    (ipv4 ? bpf_skb_load_bytes(skb, IPV4_SOURCE, addresses, 8)
		  : bpf_skb_load_bytes(skb, IPV6_SOURCE, addresses, 32)))
		return;
	if (flows_from_header(&from, &to, addresses, ipv4, port) &&
	    is_believed(&from, &to, skb->ingress_ifindex, skb->pkt_type))
		hear(socket_number(BPF_CORE_READ(real, sk_socket)), mixed((__u64)real), &from);
}

#endif
