/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The verdict in constant time: the boxes that accept the address, the port and the subject are three bit vectors;
 * the lowest bit of their AND decides. Deny boxes have the low bits, so a deny always wins.
 */
#ifndef BOUHEKI_DECIDE_H
#define BOUHEKI_DECIDE_H

#include "flow.bpf.h"
#include "maps.bpf.h"
#include "read.bpf.h"

#define LAST_INTERVAL (MAX_INTERVALS - 1)
#define INTERVAL_BITS 18

/*
 * Moves `at` to the last of the `count` intervals from it on that starts at or below the address that is looked for;
 * `starts` says so of the interval `middle`. Only `at` depends on the answers, and it is masked: all paths through a
 * step leave the same ranges behind, and the verifier keeps one of them.
 */
#define FIND_INTERVAL(at, count, middle, starts)               \
	for (int i = 0; i < INTERVAL_BITS && count > 1; i++) { \
		__u32 half = count >> 1;                       \
                                                               \
		middle = (at + half) & LAST_INTERVAL;          \
		if (starts)                                    \
			at = middle;                           \
		count -= half;                                 \
	}

static __always_inline __u32 address_class4(struct tables *tables, __u32 address)
{
	__u32 half = address >> 16, at, count, middle;

	at = tables->root4[half];
	count = tables->root4[half + 1] - at + 1;
	at &= LAST_INTERVAL;
	FIND_INTERVAL(at, count, middle, tables->start4[middle] <= address);
	return tables->class4[at];
}

static __always_inline bool starts_at_or_below(__u64 start_high, __u64 *start_low, __u64 high, __u64 low)
{
	return start_high < high || (start_high == high && *start_low <= low);
}

/* A function of its own, so that the verifier goes through it once. */
__noinline __u32 address_class6(__u64 address_high, __u64 address_low, __u32 side)
{
	__u32 key = side & 1;
	struct tables *tables = bpf_map_lookup_elem(&policy, &key);
	struct tables6 *starts = bpf_map_lookup_elem(&policy6, &key);
	struct tables6_low *rest = bpf_map_lookup_elem(&policy6_low, &key);
	__u32 at = 0, count, middle;

	if (!tables || !starts || !rest)
		return 0;
	count = tables->last_interval6 + 1;
	FIND_INTERVAL(at, count, middle,
		      starts_at_or_below(starts->high[middle], &rest->low[middle], address_high, address_low));
	return rest->class6[at];
}

static __always_inline __u16 port_class(struct tables *tables, const struct flow *flow)
{
	__u32 port = flow->port;

	KEEP(port);
	port &= 0xffff;

	switch (flow->protocol) {
	case IPPROTO_TCP:
		return tables->port_class[PORT_TCP][port];
	case IPPROTO_UDP:
		return tables->port_class[PORT_UDP][port];
	case IPPROTO_SCTP:
		return tables->port_class[PORT_SCTP][port];
	case IPPROTO_UDPLITE:
		return tables->port_class[PORT_UDPLITE][port];
	case IPPROTO_DCCP:
		return tables->port_class[PORT_DCCP][port];
	}
	return tables->protocol_class[flow->protocol & 0xff];
}

/* Index of the lowest set bit: isolate it, let a de Bruijn sequence tell all 64 apart (Leiserson, Prokop, Randall
 * 1998). */
static __always_inline __u32 lowest_bit(__u64 word)
{
	static const __u8 index[64] = {
		0,  1,	48, 2,	57, 49, 28, 3,	61, 58, 50, 42, 38, 29, 17, 4,	62, 55, 59, 36, 53, 51,
		43, 22, 45, 39, 33, 30, 24, 18, 12, 5,	63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21,
		44, 32, 23, 11, 46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9,	13, 8,	7,  6,
	};

	return index[((word & -word) * 0x03f79d71b4cb0a89ULL) >> 58];
}

/* The box that decides on opening a socket of this kind, or NO_BOX. */
GLOBAL __u32 decide_socket(const struct subject *subject, __u32 kind, __u32 side)
{
	__u32 key = side & 1;
	struct tables *tables = bpf_map_lookup_elem(&policy, &key);

	KEEP(kind);
	kind &= SOCKET_KINDS - 1;
	if (!tables || !subject)
		return NO_BOX;
#pragma unroll
	for (int i = 0; i < VECTOR_WORDS; i++) {
		__u64 boxes = subject->boxes.word[i] & tables->socket[kind].word[i];

		if (boxes)
			return i * 64 + lowest_bit(boxes);
	}
	return NO_BOX;
}

/* The box that decides, or NO_BOX. */
GLOBAL __u32 decide(const struct flow *flow, const struct subject *subject, __u32 side)
{
	__u32 key = side & 1, class;
	struct tables *tables = bpf_map_lookup_elem(&policy, &key);
	struct vector *address, *port;

	if (!tables || !flow || !subject)
		return NO_BOX;
	class = flow->family == 4 ? address_class4(tables, flow->low) : address_class6(flow->high, flow->low, side);
	address = &tables->address[class & (MAX_ADDRESS_CLASSES - 1)];
	/* Nothing leaves yet: what counts is whether the subject may reach the address at all. */
	port = flow->probe ? &tables->intent : &tables->port[port_class(tables, flow) & (MAX_PORT_CLASSES - 1)];

#pragma unroll
	for (int i = 0; i < VECTOR_WORDS; i++) {
		__u64 boxes = subject->boxes.word[i] & address->word[i] & port->word[i];

		if (boxes)
			return i * 64 + lowest_bit(boxes);
	}
	return NO_BOX;
}

#endif
