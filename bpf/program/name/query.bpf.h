/* SPDX-License-Identifier: GPL-2.0 */
/* Queries as they leave: what a socket has asked, and for whom, is kept with it. */
#ifndef BOUHEKI_NAME_QUERY_H
#define BOUHEKI_NAME_QUERY_H

#include "../subject/answering.bpf.h"
#include "message.bpf.h"

/* A stream sends later parts when its peer has room, in whatever process runs then: the first one counts. */
static __always_inline void set_asker(struct asker *asker, struct __sk_buff *skb, const struct dns_packet *packet)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	struct sock *real = real_socket(packet->sk);

	if (packet->stream && asker->pid)
		return;
	asker->pid = BPF_CORE_READ(task, tgid);
	asker->started = BPF_CORE_READ(leader, start_boottime);
	asker->uid = answering_uid(BPF_CORE_READ(task, cred));
	asker->cgroup = bpf_skb_cgroup_id(skb);
	asker->network_namespace = BPF_CORE_READ(real, __sk_common.skc_net.net, ns.inum);
}

/* Of two threads that send through one socket at the same moment one may lose its place, and its answer is not read. */
static __always_inline void remember_query(struct asker *asker, __u64 sum)
{
	__u32 place = asker->next++ & (QUERIES - 1);

	asker->queries[place].time = bpf_ktime_get_ns();
	asker->queries[place].sum = sum;
}

/* A stream may have two of them in a packet, as glibc asks for both families. */
static __always_inline void remember_queries(struct __sk_buff *skb, const struct dns_packet *packet)
{
	__u32 at = packet->message, length = 0;
	struct asker *asker;
	__u64 sum;

	asker = bpf_sk_storage_get(&askers, packet->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!asker) {
		count_name(LOST_QUERY);
		return;
	}
	set_asker(asker, skb, packet);
#pragma unroll
	for (int i = 0; i < 2; i++) {
		at = message_in(skb, packet, at, &length);
		if (!at)
			return;
		sum = sum_message(skb, at);
		if (!sum)
			return;
		remember_query(asker, sum);
		if (!packet->stream)
			return;
		at += length;
	}
}

#endif
