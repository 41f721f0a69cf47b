/* SPDX-License-Identifier: GPL-2.0 */
/* Where things stand in a packet. Offsets are from its IP header on. */
#ifndef BOUHEKI_LAYOUT_H
#define BOUHEKI_LAYOUT_H

#include "../read.bpf.h"

#define IPV4_HEADER 20
#define IPV4_PROTOCOL 9
#define IPV4_SOURCE 12
#define IPV4_DESTINATION 16
#define IPV4_OPTION_END 0
#define IPV4_OPTION_NOTHING 1
#define IPV4_LOOSE_ROUTE 131
#define IPV4_STRICT_ROUTE 137
#define IPV4_ROUTE_HEADER 3
#define IPV4_OPTIONS 40 /* options take 40 bytes at the most */
#define IPV4_HOPS 9
#define IPV6_HEADER 40
#define IPV6_NEXT 6
#define IPV6_SOURCE 8
#define IPV6_DESTINATION 24
#define IPV6_HOP_OPTIONS 0
#define IPV6_ROUTING 43
#define IPV6_FRAGMENT 44
#define IPV6_DESTINATION_OPTIONS 60
#define IPV6_ROUTE_HEADER 8
#define IPV6_HEADERS 6 /* in front of the payload; the kernel itself makes no more than 5 */
#define IPV6_HOPS 16
#define LAST_OFFSET 0x3fff /* no six headers take more */
#define TCP_FLAGS 13
#define TCP_SYN 2
#define TCP_ACK 16
#define SCTP_CHUNK 12
#define SCTP_INIT 1
#define DCCP_TYPE 8
#define DCCP_REQUEST 0

/* 0 where the packet ends before. */
static __always_inline __u8 byte_at(struct __sk_buff *skb, __u32 at)
{
	__u8 byte = 0;

	bpf_skb_load_bytes(skb, at, &byte, 1);
	return byte;
}

static __always_inline bool is_extension(__u8 header)
{
	return header == IPV6_HOP_OPTIONS || header == IPV6_ROUTING || header == IPV6_DESTINATION_OPTIONS ||
	       header == IPV6_FRAGMENT;
}

/* What nearly every packet of the host is not: one with options or further headers. */
static __always_inline bool may_have_route(struct __sk_buff *skb, bool ipv4)
{
	__u8 *data = (__u8 *)(long)skb->data, *end = (__u8 *)(long)skb->data_end;

	if (ipv4)
		return data + IPV4_HEADER > end || (data[0] & 15) > IPV4_HEADER / 4;
	return data + IPV6_HEADER > end || is_extension(data[IPV6_NEXT]);
}

static __always_inline __u32 payload4(struct __sk_buff *skb)
{
	return (byte_at(skb, 0) & 15) * 4;
}

/* Of functions of their own, so that the verifier goes through them once: 0 where there is no route. */
#define ROUTE(at, end) ((at) << 16 | (end))
#define ROUTE_TOO_FAR ROUTE(0, 1)

__noinline __u32 find_route4(struct __sk_buff *skb)
{
	__u32 at = IPV4_HEADER, end = payload4(skb);

	if (end <= IPV4_HEADER)
		return 0;
	for (int i = 0; i < IPV4_OPTIONS; i++) {
		__u8 option[2] = {};

		if (bpf_skb_load_bytes(skb, at, option, 1) || option[0] == IPV4_OPTION_END)
			return 0;
		if (option[0] == IPV4_OPTION_NOTHING) {
			option[1] = 1;
		} else {
			option[1] = byte_at(skb, at + 1);
			if (option[0] == IPV4_LOOSE_ROUTE || option[0] == IPV4_STRICT_ROUTE)
				return ROUTE(at, at + option[1]);
			if (option[1] < 2)
				return 0;
		}
		at += option[1];
		if (at >= end)
			return 0;
		/* As in decide.bpf.h: every path leaves the same range behind. No header is longer. */
		KEEP(at);
		at &= 63;
	}
	return 0;
}

/* The headers in front of the payload, one after the other. */
struct walk {
	__u32 at;
	__u8 next;	/* the header at `at` */
	bool payload;	/* no header that we know is left */
	__u8 header[4]; /* the one that was passed last */
};

/* Goes past one header. False at the end, also that of a packet which ends within one, and at a later fragment. */
static __always_inline bool walk_on(struct __sk_buff *skb, struct walk *walk)
{
	if (!is_extension(walk->next)) {
		walk->payload = true;
		return false;
	}
	if (bpf_skb_load_bytes(skb, walk->at, walk->header, 4))
		return false;
	if (walk->next == IPV6_FRAGMENT) {
		if (walk->header[2] || walk->header[3] & 0xf8)
			return false;
		walk->header[1] = 0;
	}
	walk->at += 8 + 8 * walk->header[1];
	KEEP(walk->at);
	walk->at &= LAST_OFFSET;
	walk->next = walk->header[0];
	return true;
}

/* A route that has been gone to its end is none. */
__noinline __u32 find_route6(struct __sk_buff *skb)
{
	struct walk walk = {.at = IPV6_HEADER, .next = byte_at(skb, IPV6_NEXT)};

	for (int i = 0; i < IPV6_HEADERS; i++) {
		__u32 at = walk.at;
		bool routing = walk.next == IPV6_ROUTING;

		if (!walk_on(skb, &walk))
			return 0;
		if (routing && walk.header[3])
			return ROUTE(at, walk.at);
	}
	return is_extension(walk.next) ? ROUTE_TOO_FAR : 0;
}

/* 0 where there is none. */
__noinline __u32 payload6(struct __sk_buff *skb)
{
	struct walk walk = {.at = IPV6_HEADER, .next = byte_at(skb, IPV6_NEXT)};

	for (int i = 0; i < IPV6_HEADERS + 1; i++)
		if (!walk_on(skb, &walk))
			break;
	return walk.payload ? walk.at : 0;
}

/* The socket itself, for reading from memory. A packet and an address show it as something else. */
static __always_inline struct sock *real_socket(struct bpf_sock *sk)
{
	struct bpf_sock *volatile kept = sk;
	struct sock *real = 0;

	bpf_probe_read_kernel(&real, sizeof(real), (const void *)&kept);
	return real;
}

/*
 * Whether a socket is the kernel's own. The parts of an MPTCP connection are made by the kernel, for a process.
 */
static __always_inline bool is_kernel_packet(struct bpf_sock *sk)
{
	struct tcp_sock *real = (void *)real_socket(sk);

	if (!BPF_CORE_READ_BITFIELD_PROBED((struct sock *)real, sk_kern_sock))
		return false;
	return sk->protocol != IPPROTO_TCP || !bpf_core_field_exists(real->is_mptcp) || !BPF_CORE_READ(real, is_mptcp);
}

#endif
