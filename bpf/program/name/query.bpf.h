/* SPDX-License-Identifier: GPL-2.0 */
/* Queries as they leave: what a socket has asked, and for whom, is kept with it. */
#ifndef BOUHEKI_NAME_QUERY_H
#define BOUHEKI_NAME_QUERY_H

#include "../subject/answering.bpf.h"
#include "message.bpf.h"

/* A stream sends later parts when its peer has room, in whatever process runs then: the first one counts. */
static __always_inline void set_asker(struct asker *asker, struct __sk_buff *skb, const struct dns_packet *packet)
{
	struct task_struct *task, *leader;
	struct sock *real;

	if (packet->stream && asker->pid)
		return;
	task = current_task();
	leader = READ(task, group_leader);
	real = real_socket(packet->sk);
	asker->pid = READ(task, tgid);
	asker->started = READ(leader, start_boottime);
	asker->uid = answering_uid(READ(task, cred));
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

/* A program sends to an address by a socket without a peer, before any translation. */
static __always_inline void remember_named(struct bpf_sock_addr *ctx, __u32 family)
{
	struct asker *asker;

	if (ctx->user_port != bpf_htons(DNS_PORT) || !ctx->sk)
		return;
	asker = bpf_sk_storage_get(&askers, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!asker) {
		count_name(LOST_QUERY);
		return;
	}
	if (family == 4) {
		asker->named[0] = ctx->user_ip4;
		asker->named[1] = 0;
	} else {
		asker->named[0] = ctx->user_ip6[0] | (__u64)ctx->user_ip6[1] << 32;
		asker->named[1] = ctx->user_ip6[2] | (__u64)ctx->user_ip6[3] << 32;
	}
	asker->is_named = family;
}

/*
 * Who is asked by a packet: whom the program named, for this packet or when it connected the socket, and elsewhere to
 * whom the packet goes. Named is what lies between the send and the packet, which follows at once.
 */
static __always_inline void resolver_asked(struct __sk_buff *skb, const struct dns_packet *packet, struct asker *asker,
					   __u64 resolver[2])
{
	struct bpf_sock *sk = packet->sk;

	if (asker->is_named) {
		resolver[0] = asker->named[0];
		resolver[1] = asker->named[1];
		asker->is_named = 0;
	} else if (sk->dst_port == bpf_htons(DNS_PORT) && packet->ipv4) {
		resolver[0] = sk->dst_ip4;
	} else if (sk->dst_port == bpf_htons(DNS_PORT)) {
		resolver[0] = sk->dst_ip6[0] | (__u64)sk->dst_ip6[1] << 32;
		resolver[1] = sk->dst_ip6[2] | (__u64)sk->dst_ip6[3] << 32;
	} else if (packet->ipv4) {
		bpf_skb_load_bytes(skb, IPV4_DESTINATION, resolver, 4);
	} else {
		bpf_skb_load_bytes(skb, IPV6_DESTINATION, resolver, 16);
	}
}

/* A stream may have two of them in a packet, as glibc asks for both families. */
static __always_inline void remember_queries(struct __sk_buff *skb, const struct dns_packet *packet)
{
	__u32 at = packet->message, length = 0;
	__u64 resolver[2] = {}, sum;
	struct dns_head head;
	struct asker *asker;

	asker = bpf_sk_storage_get(&askers, packet->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!asker) {
		count_name(LOST_QUERY);
		return;
	}
	set_asker(asker, skb, packet);
	resolver_asked(skb, packet, asker, resolver);
#pragma unroll
	for (int i = 0; i < 2; i++) {
		at = message_in(skb, packet, at, &length);
		if (!at)
			return;
		sum = sum_message(skb, at, resolver, &head);
		if (!sum)
			return;
		remember_query(asker, sum);
		if (!packet->stream)
			return;
		at += length;
	}
}

#endif
