/* SPDX-License-Identifier: GPL-2.0 */
/* Answers as they come in. One counts when it answers a query of this very socket, and only once. */
#ifndef BOUHEKI_NAME_ANSWER_H
#define BOUHEKI_NAME_ANSWER_H

#include "learn.bpf.h"
#include "trust.bpf.h"

/* No error, and something in it: nobody learns from the rest. */
static __always_inline bool has_answers(const struct dns_head *head)
{
	return (head->flags & (DNS_RESPONSE | DNS_OPCODE)) == DNS_RESPONSE && !(head->result & DNS_RESULT) &&
	       head->answers;
}

/* The latest first: nearly always it is that one, and what is older than an equal one does not count. */
static __always_inline bool take_query(struct asker *asker, __u64 sum)
{
	__u32 place = asker->next;

	for (int i = 0; i < QUERIES; i++) {
		struct query *query = &asker->queries[--place & (QUERIES - 1)];

		if (query->sum != sum)
			continue;
		query->sum = 0;
		return bpf_ktime_get_ns() - query->time <= QUERY_NANOSECONDS;
	}
	return false;
}

/* A bucket that leaks by the clock: no user can fill the ring for all others. */
static __always_inline bool may_report(__u32 uid)
{
	__u64 now = bpf_ktime_get_boot_ns(), *due = bpf_map_lookup_elem(&answers_due, &uid), first = now + ANSWER_COST;

	if (!due) {
		bpf_map_update_elem(&answers_due, &uid, &first, BPF_ANY);
		return true;
	}
	if (*due < now)
		*due = now;
	if (*due + ANSWER_COST > now + ANSWER_BURST)
		return false;
	__sync_fetch_and_add(due, ANSWER_COST);
	return true;
}

static __always_inline void fill_answer(struct answer *answer, struct __sk_buff *skb, const struct asker *asker,
					const struct dns_packet *packet)
{
	answer->kind = RECORD_ANSWER;
	answer->family = packet->ipv4 ? 4 : 6;
	answer->flags = (packet->stream ? ANSWER_STREAM : 0) | packet->trust |
			(skb->ingress_ifindex == LOOPBACK_IFINDEX ? ANSWER_NEAR : 0);
	answer->pad = 0;
	answer->time = bpf_ktime_get_boot_ns();
	answer->started = asker->started;
	answer->cgroup = asker->cgroup;
	answer->pid = asker->pid;
	answer->network_namespace = asker->network_namespace;
	if (packet->ipv4)
		bpf_skb_load_bytes(skb, IPV4_SOURCE, answer->resolver, 4);
	else
		bpf_skb_load_bytes(skb, IPV6_SOURCE, answer->resolver, 16);
}

/* Most messages are short, and a record of the ring has a fixed size. */
#define REPORT(capacity)                                                                                   \
	({                                                                                                 \
		struct answer *answer = bpf_ringbuf_reserve(&answers_read, sizeof(*answer) + capacity, 0); \
		__u32 bytes = length;                                                                      \
                                                                                                           \
		if (!answer) {                                                                             \
			count_name(LOST_ANSWER);                                                           \
			return;                                                                            \
		}                                                                                          \
		answer->resolver[0] = answer->resolver[1] = 0;                                             \
		fill_answer(answer, skb, asker, packet);                                                   \
		if (bytes > capacity)                                                                      \
			bytes = capacity;                                                                  \
		KEEP(bytes);                                                                               \
		bytes = ((bytes - 1) & (capacity - 1)) + 1;                                                \
		answer->length = bytes;                                                                    \
		if (bpf_skb_load_bytes(skb, at, answer->message, bytes))                                   \
			answer->length = 0;                                                                \
		bpf_ringbuf_submit(answer, 0);                                                             \
	})

static __always_inline void report_answer(struct __sk_buff *skb, const struct asker *asker,
					  const struct dns_packet *packet, __u32 at, __u32 length)
{
	if (!may_report(asker->uid)) {
		count_name(LOST_ANSWER);
		return;
	}
	if (length > LONG_MESSAGE)
		count_name(CUT_ANSWER);
	if (length <= SHORT_MESSAGE)
		REPORT(SHORT_MESSAGE);
	else
		REPORT(LONG_MESSAGE);
}

/* First what a verdict needs, whatever becomes of the report. */
static __always_inline void take_answer(struct __sk_buff *skb, const struct asker *asker, struct dns_packet *packet,
					__u32 at, __u32 length)
{
	__u32 namespace = known_namespace(asker->network_namespace);

	packet->trust = trust_in(skb, packet, namespace);
	if (packet->trust == ANSWER_TRUSTED)
		learn_answer(skb, at, length, namespace);
	report_answer(skb, asker, packet, at, length);
}

static __always_inline void take_answers(struct __sk_buff *skb, struct dns_packet *packet)
{
	__u32 at = packet->message, length = 0;
	struct asker *asker = bpf_sk_storage_get(&askers, packet->sk, 0, 0);
	__u64 resolver[2] = {}, sum;
	struct dns_head head;

	if (!asker || at == skb->len)
		return;
	if (packet->ipv4)
		bpf_skb_load_bytes(skb, IPV4_SOURCE, resolver, 4);
	else
		bpf_skb_load_bytes(skb, IPV6_SOURCE, resolver, 16);
#pragma unroll
	for (int i = 0; i < 2; i++) {
		at = message_in(skb, packet, at, &length);
		if (!at) {
			count_name(CUT_ANSWER);
			return;
		}
		sum = sum_message(skb, at, resolver, &head);
		if (!sum || !take_query(asker, sum))
			count_name(UNASKED_ANSWER);
		else if (has_answers(&head))
			take_answer(skb, asker, packet, at, length);
		at += length;
		if (!packet->stream || at == skb->len)
			return;
	}
}

#endif
