/* SPDX-License-Identifier: GPL-2.0 */
/* Maps of the programs that read DNS. Each map says what happens when it is full or its helper fails. */
#ifndef BOUHEKI_NAME_STORE_H
#define BOUHEKI_NAME_STORE_H

#include "../kernel.bpf.h"
#include "../wire.h"

#define DNS_PORT 53
#define QUERIES 32 /* of a socket, at one time; a power of two. One more takes the place of the oldest */
#define QUERY_NANOSECONDS (10ULL * 1000000000)
/* What a user may have reported without a pause, and what an answer takes of it: 10,000 a second, 2,000 at once. */
#define ANSWER_COST 100000ULL
#define ANSWER_BURST (2000 * ANSWER_COST)

struct query {
	__u64 sum; /* of resolver, id and question; 0: none, or answered */
	__u64 time;
};

/* Who asks through a socket. */
struct asker {
	__u64 started; /* as in struct process */
	__u64 cgroup;
	__u32 pid;
	__u32 uid; /* who answers for it; see answering_uid() */
	__u32 network_namespace;
	__u32 next; /* place of the next query, modulo QUERIES */
	/* Where the packet goes that a program sends next, as it named it for a socket without a peer. */
	__u64 named[2]; /* in network order; IPv4 in the first 4 bytes */
	__u32 is_named; /* 4 or 6; 0: nothing is named */
	__u32 pad;
	struct query queries[QUERIES];
};

/* No room in the memory of a socket: its answers are not read. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct asker);
} askers SEC(".maps");

/* Full: the answer is lost, and counted. A ring of its own, so that no flood of answers costs a connection. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} answers_read SEC(".maps");

/* When what a user has used is paid, by uid. Full: who asked least recently begins anew. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u64);
} answers_due SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NAME_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} name_counters SEC(".maps");

struct naming naming SEC(".data.naming") = {};

static __always_inline void count_name(enum name_counter counter)
{
	__u32 key = counter;
	__u64 *value = bpf_map_lookup_elem(&name_counters, &key);

	if (value)
		(*value)++;
}

#endif
