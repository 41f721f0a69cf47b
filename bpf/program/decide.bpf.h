/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The verdict in constant time: the boxes that accept the address, the port and the subject are three bit vectors;
 * the lowest bit of their AND decides. Deny boxes have the low bits, so a deny always wins.
 */
#ifndef BOUHEKI_DECIDE_H
#define BOUHEKI_DECIDE_H

#include "flow.bpf.h"
#include "maps.bpf.h"
#include "name/known.bpf.h"
#include "read.bpf.h"
#include "subject/current.bpf.h"

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

/* Where the caller looks for names: what is known in one network namespace says nothing in another. 0: the host's. */
static __always_inline __u32 naming_namespace(void)
{
	struct nsproxy *namespaces = READ(current_task(), nsproxy);
	struct net *net = READ(namespaces, net_ns);
	__u32 namespace = READ(net, ns.inum);

	/* A task without namespaces is at its end. */
	if (!namespace)
		return ~0U;
	return namespace == knobs.host_network_namespace ? 0 : namespace;
}

/*
 * The classes of an address's names, 16 bits each: the class, and above it how many of the times in `keep` have passed
 * since the end of the TTL, of which `spared` seconds don't count. 0 where there is none. A function of its own, so
 * that the verifier goes through it once.
 */
__noinline __u64 name_classes(__u64 high, __u64 low, __u32 side, __u32 spared)
{
	struct known_key key = {.side = side & 1, .network_namespace = naming_namespace(), .high = high, .low = low};
	struct tables *tables = bpf_map_lookup_elem(&policy, &key.side);
	struct known_address *found = bpf_map_lookup_elem(&known, &key);
	__u64 classes = 0, now;

	if (!tables || !found)
		return 0;
	now = boot_seconds();
#pragma unroll
	for (int i = 0; i < NAME_SLOTS; i++) {
		__u64 slot = found->slot[i], end = (__u32)slot + (__u64)spared, passed = 0;

		if (!slot)
			continue;
		if (now > end) {
#pragma unroll
			for (int j = 0; j < MAX_KEEPS; j++)
				passed += is_below(tables->keep[j], now - end);
		}
		classes |= (slot >> 32 | passed << NAME_CLASS_BITS) << (16 * i);
	}
	return classes;
}

/*
 * What decide() returns where the lowest box that accepts subject, address and port asks for a name: this, the class of
 * the address and that of the port. A box is less, NO_BOX is more.
 */
#define ASKS_NAMES (1U << 30)
#define PORT_CLASS_BITS 11
_Static_assert(MAX_PORT_CLASSES == 1 << PORT_CLASS_BITS, "the class of a port, and above it that of an address");
_Static_assert(MAX_ADDRESS_CLASSES << PORT_CLASS_BITS <= ASKS_NAMES, "both fit");

static __always_inline bool asks_names(__u32 decided)
{
	return decided >> 30 == 1;
}

static __always_inline struct vector *port_vector(struct tables *tables, bool probe, __u32 class)
{
	/* Nothing leaves yet: what counts is whether the subject may reach the address at all. */
	return probe ? &tables->intent : &tables->port[class & (MAX_PORT_CLASSES - 1)];
}

/*
 * A connection that is there is judged again under a new policy, long after its name was asked for: nothing may cut it
 * off because of that. Of TCP and DCCP a send is always on a connection.
 */
static __always_inline bool is_established(const struct flow *flow)
{
	return flow->operation == OPERATION_SEND && (flow->protocol == IPPROTO_TCP || flow->protocol == IPPROTO_DCCP);
}

static __always_inline __u64 classes_of(const struct flow *flow, __u32 side)
{
	bool ipv4 = flow->family == 4;

	return name_classes(ipv4 ? 0 : flow->high, ipv4 ? flow->low | 0xffff00000000ULL : flow->low, side,
			    is_established(flow) ? ESTABLISHED_SECONDS : 0);
}

/* The boxes that one of an address's names opens, while it is kept. */
#define OPENED(slot, i)                                                          \
	(tables->name[classes >> (16 * slot) & (MAX_NAME_CLASSES - 1)].word[i] & \
	 tables->kept[classes >> (16 * slot + NAME_CLASS_BITS) & MAX_KEEPS].word[i])

/* The box that decides, or NO_BOX, by what decide() returned and the classes of the address's names. */
GLOBAL __u32 decide_by_names(bool probe, const struct subject *subject, __u32 side, __u32 decided, __u64 classes)
{
	__u32 key = side & 1;
	struct tables *tables = bpf_map_lookup_elem(&policy, &key);
	struct vector *address, *port;

	if (!tables || !subject)
		return NO_BOX;
	address = &tables->address[decided >> PORT_CLASS_BITS & (MAX_ADDRESS_CLASSES - 1)];
	port = port_vector(tables, probe, decided);
#pragma unroll
	for (int i = 0; i < VECTOR_WORDS; i++) {
		__u64 boxes = subject->boxes.word[i] & address->word[i] & port->word[i];

		if (!boxes)
			continue;
		boxes &= tables->nameless.word[i] | OPENED(0, i) | OPENED(1, i) | OPENED(2, i) | OPENED(3, i);
		if (boxes)
			return i * 64 + lowest_bit(boxes);
	}
	return NO_BOX;
}

/* The box that decides, or NO_BOX, or that it takes the names of the address: see ASKS_NAMES. */
GLOBAL __u32 decide(const struct flow *flow, const struct subject *subject, __u32 side)
{
	__u32 key = side & 1, class, ports;
	struct tables *tables = bpf_map_lookup_elem(&policy, &key);
	struct vector *address, *port;

	if (!tables || !flow || !subject)
		return NO_BOX;
	class = flow->family == 4 ? address_class4(tables, flow->low) : address_class6(flow->high, flow->low, side);
	address = &tables->address[class & (MAX_ADDRESS_CLASSES - 1)];
	ports = flow->probe ? 0 : port_class(tables, flow);
	port = port_vector(tables, flow->probe, ports);

#pragma unroll
	for (int i = 0; i < VECTOR_WORDS; i++) {
		__u64 boxes = subject->boxes.word[i] & address->word[i] & port->word[i];

		if (!boxes)
			continue;
		if (boxes & -boxes & tables->nameless.word[i])
			return i * 64 + lowest_bit(boxes);
		return ASKS_NAMES | (class & (MAX_ADDRESS_CLASSES - 1)) << PORT_CLASS_BITS |
		       (ports & (MAX_PORT_CLASSES - 1));
	}
	return NO_BOX;
}

#ifndef LEGACY
#define DECIDE decide
#define DECIDE_BY_NAMES decide_by_names
#else
/* Functions of their own here too, which take no pointers. Without a subject nothing is allowed. */
static __always_inline struct subject *own_subject(void)
{
	__u32 thread = current_thread();

	return bpf_map_lookup_elem(&subjects_by_thread, &thread);
}

__noinline __u32 decide_numbers(__u64 high, __u64 low, __u64 rest, __u32 side)
{
	struct flow flow = flow_of_numbers(high, low, rest);

	return decide(&flow, own_subject(), side);
}

__noinline __u32 decide_numbers_by_names(__u32 probe, __u32 side, __u32 decided, __u64 classes)
{
	return decide_by_names(probe, own_subject(), side, decided, classes);
}

#define DECIDE(flow, subject, side) decide_numbers((flow)->high, (flow)->low, rest_of_flow(flow), side)
#define DECIDE_BY_NAMES(probe, subject, side, decided, classes) decide_numbers_by_names(probe, side, decided, classes)
#endif

#endif
