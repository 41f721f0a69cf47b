/* SPDX-License-Identifier: GPL-2.0 */
/* Where a DNS message lies in a packet, and the sum of its question. RFC 1035, section 4. */
#ifndef BOUHEKI_NAME_MESSAGE_H
#define BOUHEKI_NAME_MESSAGE_H

#include "store.bpf.h"
#include "../hook/layout.bpf.h"

#include <stddef.h>

#define SOURCE_PORT 0 /* offsets in the headers of UDP and of TCP */
#define DESTINATION_PORT 2
#define UDP_HEADER 8
#define TCP_LENGTH 12 /* the upper half of the byte: words of the header */
#define DNS_HEADER 12
#define DNS_ANSWERS 6
#define DNS_RESPONSE 0x80
#define DNS_OPCODE 0x78
#define DNS_RESULT 0x0f
#define NAME_CHUNKS 32 /* of 8 bytes: a name has 255 bytes at the most */
#define IN_EACH_BYTE 0x0101010101010101ULL

/* What a message begins with, in network order. */
struct dns_head {
	__u16 id;
	__u8 flags;
	__u8 result;
	__u16 questions;
	__u16 answers;
};
_Static_assert(offsetof(struct dns_head, answers) == DNS_ANSWERS, "as RFC 1035 has it");

struct dns_packet {
	struct bpf_sock *sk;
	__u32 transport; /* where the header of UDP or TCP begins */
	__u32 message;
	bool ipv4;
	bool stream;
	__u8 trust; /* of an answer: ANSWER_TRUSTED or ANSWER_DOUBTED; see trust_in() */
};

static __always_inline __u16 port_at(struct __sk_buff *skb, __u32 at)
{
	__u16 port = 0;

	bpf_skb_load_bytes(skb, at, &port, sizeof(port));
	return bpf_ntohs(port);
}

/* What nearly every packet is not, by its first bytes. One with options or further headers is looked at later. */
static __always_inline bool may_be_dns(struct __sk_buff *skb, bool ipv4, __u32 port)
{
	__u8 *data = (__u8 *)(long)skb->data, *end = (__u8 *)(long)skb->data_end;
	__u32 at = ipv4 ? IPV4_HEADER : IPV6_HEADER;
	__u8 next;

	if (data + IPV6_HEADER + 4 > end)
		return data + IPV4_HEADER + UDP_HEADER <= end || data + IPV6_HEADER > end;
	if (ipv4 && (data[0] & 15) != IPV4_HEADER / 4)
		return true;
	next = data[ipv4 ? IPV4_PROTOCOL : IPV6_NEXT];
	if (next != IPPROTO_UDP && next != IPPROTO_TCP)
		return !ipv4 && is_extension(next);
	return data[at + port] == 0 && data[at + port + 1] == DNS_PORT;
}

/*
 * A packet that leaves has gone through address translation, as to the resolver that docker puts into a network of its
 * own. What a socket was connected to, or a program has named for its packet, has not.
 */
static __always_inline bool was_to_resolver(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct asker *asker;

	if (!sk)
		return false;
	if (sk->dst_port)
		return sk->dst_port == bpf_htons(DNS_PORT);
	/* Translated to another port as a rule on its own host alone: other packets are spared the look. */
	if (skb->ifindex != LOOPBACK_IFINDEX)
		return false;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return false;
	asker = bpf_sk_storage_get(&askers, sk, 0, 0);
	return asker && asker->is_named;
}

/* `port`: which of the two ports is the resolver's. */
static __always_inline bool is_dns(struct __sk_buff *skb, struct dns_packet *packet, __u32 port)
{
	bool asked = port == DESTINATION_PORT && was_to_resolver(skb);
	__u32 protocol;

	packet->ipv4 = skb->protocol == bpf_htons(ETH_P_IP);
	if (!asked && !may_be_dns(skb, packet->ipv4, port))
		return false;
	packet->transport = packet->ipv4 ? payload4(skb) : payload6(skb);
	if (!packet->transport || (!asked && port_at(skb, packet->transport + port) != DNS_PORT) || !skb->sk)
		return false;
	packet->sk = bpf_sk_fullsock(skb->sk);
	if (!packet->sk)
		return false;
	protocol = packet->sk->protocol;
	if (protocol != IPPROTO_UDP && protocol != IPPROTO_TCP)
		return false;
	packet->stream = protocol == IPPROTO_TCP;
	packet->message = packet->transport + UDP_HEADER;
	if (packet->stream)
		packet->message = packet->transport + (byte_at(skb, packet->transport + TCP_LENGTH) >> 4) * 4;
	return true;
}

/* Where the next message begins: in a stream its length stands before it. 0 where this packet has not all of it. */
static __always_inline __u32 message_in(struct __sk_buff *skb, const struct dns_packet *packet, __u32 at, __u32 *length)
{
	__u16 told = 0;

	if (!packet->stream) {
		*length = skb->len - at;
		return skb->len < at + DNS_HEADER ? 0 : at;
	}
	if (bpf_skb_load_bytes(skb, at, &told, sizeof(told)))
		return 0;
	*length = bpf_ntohs(told);
	at += sizeof(told);
	return *length < DNS_HEADER || skb->len < at + *length ? 0 : at;
}

/* The case of letters does not matter in a name (RFC 4343), and resolvers are asked in a random one. */
static __always_inline __u64 lower_case(__u64 bytes)
{
	__u64 low = bytes & 0x7f * IN_EACH_BYTE;
	__u64 from_a = low + (0x80 - 'A') * IN_EACH_BYTE, past_z = low + (0x7f - 'Z') * IN_EACH_BYTE;
	__u64 upper = (from_a ^ past_z) & ~bytes & 0x80 * IN_EACH_BYTE;

	return bytes | upper >> 2;
}

static __always_inline __u64 mix(__u64 sum, __u64 word)
{
	sum = (sum ^ word) * 0x9e3779b97f4a7c15ULL;
	return sum ^ sum >> 29;
}

/* Up to eight bytes, zeros behind them. */
static __always_inline bool load_chunk(struct __sk_buff *skb, __u32 at, __u64 *chunk)
{
	__u32 left = skb->len - at;

	*chunk = 0;
	if (!bpf_skb_load_bytes(skb, at, chunk, sizeof(*chunk)))
		return true;
	if (at >= skb->len || left >= sizeof(*chunk))
		return false;
	left = ((left - 1) & 7) + 1;
	return !bpf_skb_load_bytes(skb, at, chunk, left);
}

/*
 * The sum of the question at `at`: name, type and class. 0 where there is none. A name ends with the first zero byte;
 * one that has another in a label is that up to it, here and in the answer.
 */
__noinline __u64 sum_question(struct __sk_buff *skb, __u32 at, __u64 sum)
{
	for (int i = 0; i < NAME_CHUNKS; i++) {
		__u64 chunk, zero, before;
		__u32 rest = 0;

		if (!load_chunk(skb, at, &chunk))
			return 0;
		/* The highest bit of each byte that is 0, and of some behind the first of these. */
		zero = (chunk - IN_EACH_BYTE) & ~chunk & 0x80 * IN_EACH_BYTE;
		if (!zero) {
			sum = mix(sum, lower_case(chunk));
			at += sizeof(chunk);
			continue;
		}
		before = (zero & -zero) - 1;
		sum = mix(sum, lower_case(chunk & before));
		at += ((before & IN_EACH_BYTE) * IN_EACH_BYTE) >> 56;
		if (bpf_skb_load_bytes(skb, at, &rest, sizeof(rest)))
			return 0;
		return mix(sum, rest) | 1;
	}
	return 0;
}

/*
 * What a query and its answer have in common. 0 where the message has no question, or several. Reads the head of the
 * message.
 */
static __always_inline __u64 sum_message(struct __sk_buff *skb, __u32 at, const __u64 resolver[2],
					 struct dns_head *head)
{
	if (bpf_skb_load_bytes(skb, at, head, sizeof(*head)) || head->questions != bpf_htons(1))
		return 0;
	return sum_question(skb, at + DNS_HEADER, mix(mix(mix(0, resolver[0]), resolver[1]), head->id));
}

#endif
