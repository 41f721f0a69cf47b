/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The last look at a packet, by its addresses alone: there is no process to ask for here. What a policy says of
 * everybody is all that counts: deny boxes that name nothing but addresses, and addresses that no box allows to
 * anybody.
 */
#ifndef BOUHEKI_BACKSTOP_H
#define BOUHEKI_BACKSTOP_H

#include "../decide.bpf.h"
#include "packet.bpf.h"
#include "talk.bpf.h"

#define REACH_DENIED 1 /* a deny box that names addresses and nothing else */
#define REACH_NOBODY 2 /* no allow box, whoever it is for */

/* A function of its own, so that the verifier goes through it once. */
__noinline __u32 reach(__u64 high, __u64 low, __u32 family)
{
	__u64 version = version_in_force();
	__u32 key = version & 1, class, found = REACH_NOBODY;
	struct tables *tables = bpf_map_lookup_elem(&policy, &key);
	struct vector *lasting;

	if (!tables)
		return 0;
	lasting = lasting_under(tables, version);
	class = family == 4 ? address_class4(tables, low) : address_class6(high, low, key);
	class &= MAX_ADDRESS_CLASSES - 1;
#pragma unroll
	for (int i = 0; i < VECTOR_WORDS; i++) {
		__u64 boxes = tables->address[class].word[i] & lasting->word[i];

		if (boxes & tables->backstop.word[i])
			return REACH_DENIED;
		if (boxes & ~tables->deny.word[i])
			found = 0;
	}
	return found;
}

static __always_inline __u32 reach_of(const struct flow *flow)
{
	return reach(flow->high, flow->low, flow->family);
}

/* Whether the hooks block all processes of the host, or some. */
static __always_inline bool blocks_on_host(__u32 side)
{
	__u32 wanted = SIDE_POLICY | SIDE_BLOCK;

	KEEP(side);
	return (control.flags[side & 1] & (wanted | SIDE_CONTAINERS)) == wanted;
}

/*
 * Whether packets are judged. Whose one is, a container's or the host's, of a subject that is blocked or of one that is
 * monitored, can't be told.
 */
static __always_inline bool judges_packets(__u32 side)
{
	KEEP(side);
	return blocks_on_host(side) && !(control.flags[side & 1] & SIDE_MONITORS);
}

/* Whether a datagram answers its destination. */
static __always_inline bool answers(struct __sk_buff *skb, struct bpf_sock *sk, struct flow *flow, __u32 payload)
{
	__u16 port = 0;

	if (!payload || !has_conversations(sk->protocol) || bpf_skb_load_bytes(skb, payload + 2, &port, sizeof(port)))
		return false;
	flow->port = bpf_ntohs(port);
	return is_reply(socket_number(BPF_CORE_READ(real_socket(sk), sk_socket)), flow);
}

/*
 * Whether a packet is the first word of a process to its destination. An accepted connection says other things, and
 * what the kernel's own sockets send, as its answers to pings and its discovery of neighbours, is nobody's.
 */
static __always_inline bool opens(struct __sk_buff *skb, struct flow *flow)
{
	struct bpf_sock *sk = skb->sk;
	__u32 at, protocol;

	if (!sk)
		return false;
	sk = bpf_sk_fullsock(sk);
	if (!sk || is_kernel_packet(sk))
		return false;
	protocol = sk->protocol;
	if (sk->type == SOCK_RAW)
		return true;
	at = skb->protocol == bpf_htons(ETH_P_IP) ? payload4(skb) : payload6(skb);
	if (sk->type == SOCK_DGRAM)
		return !answers(skb, sk, flow, at);
	if (!at)
		return false;
	if (protocol == IPPROTO_TCP)
		return (byte_at(skb, at + TCP_FLAGS) & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	if (protocol == IPPROTO_SCTP)
		return byte_at(skb, at + SCTP_CHUNK) == SCTP_INIT;
	if (protocol == IPPROTO_DCCP)
		return (byte_at(skb, at + DCCP_TYPE) >> 1 & 15) == DCCP_REQUEST;
	return true;
}

static __always_inline bool stops_packet(struct __sk_buff *skb)
{
	struct flow flow = {};
	__u32 found;

	if (!judges_packets((__u32)version_in_force()) || !flow_from_packet(&flow, skb))
		return false;
	found = reach_of(&flow);
	return found == REACH_DENIED || (found == REACH_NOBODY && opens(skb, &flow));
}

static __always_inline bool stops_packet_counted(struct __sk_buff *skb)
{
	if (!stops_packet(skb))
		return false;
	count(STOPPED_PACKET);
	return true;
}

/* Whether an address that a packet is still to go to is denied to all subjects. One that can't be read is. */
static __always_inline bool stops_hop4(struct __sk_buff *skb, __u32 at)
{
	struct flow flow = {};
	__u32 address = 0;

	if (bpf_skb_load_bytes(skb, at, &address, 4))
		return true;
	flow_set_ipv4(&flow, address, 0);
	return reach_of(&flow) == REACH_DENIED;
}

static __always_inline bool stops_hop6(struct __sk_buff *skb, __u32 at)
{
	__u32 address[4] = {};
	struct flow flow = {};

	if (bpf_skb_load_bytes(skb, at, address, 16))
		return true;
	flow_set_ipv6(&flow, address, 0);
	return reach_of(&flow) == REACH_DENIED;
}

__noinline int stops_route4(struct __sk_buff *skb, __u32 first, __u32 end)
{
	if (stops_hop4(skb, IPV4_DESTINATION))
		return true;
	for (int i = 0; i < IPV4_HOPS; i++) {
		__u32 at = first + 4 * i;

		if (at + 4 > end)
			return false;
		if (stops_hop4(skb, at))
			return true;
	}
	return true;
}

__noinline int stops_route6(struct __sk_buff *skb, __u32 first, __u32 end)
{
	if (stops_hop6(skb, IPV6_DESTINATION))
		return true;
	for (int i = 0; i < IPV6_HOPS; i++) {
		__u32 at = first + 16 * i;

		if (at + 16 > end)
			return false;
		if (stops_hop6(skb, at))
			return true;
	}
	return true;
}

/*
 * A source route that the hooks may not have seen: they are not asked again for the second message of a sendmmsg() to
 * the same name. Where a rule allows one to some subject, only those to addresses that are denied to all subjects are
 * held up.
 */
static __always_inline bool stops_route(struct __sk_buff *skb)
{
	__u64 version = version_in_force();
	__u32 key = version & 1;
	bool ipv4 = skb->protocol == bpf_htons(ETH_P_IP);
	struct tables *tables;
	__u32 route, at, end;

	if (!may_have_route(skb, ipv4) || !judges_packets(key))
		return false;
	route = ipv4 ? find_route4(skb) : find_route6(skb);
	if (!route)
		return false;
	tables = bpf_map_lookup_elem(&policy, &key);
	if (!tables || tables->source_routes <= ends_under(version) || route == ROUTE_TOO_FAR)
		return true;
	at = route >> 16;
	end = route & 0xffff;
	return ipv4 ? stops_route4(skb, at + IPV4_ROUTE_HEADER, end) : stops_route6(skb, at + IPV6_ROUTE_HEADER, end);
}

static __always_inline bool stops_route_counted(struct __sk_buff *skb)
{
	if (!stops_route(skb))
		return false;
	count(STOPPED_ROUTE);
	return true;
}

#endif
