/* SPDX-License-Identifier: GPL-2.0 */
/* Who may say what a name means: the resolvers of a network namespace, on the way that their answers take. */
#ifndef BOUHEKI_NAME_TRUST_H
#define BOUHEKI_NAME_TRUST_H

#include "message.bpf.h"

/* How long a resolver's answers count for nothing after somebody else has spoken as it, where that is not dropped. */
#define DOUBT_NANOSECONDS (1ULL * 1000000000)

/* Written by the daemon, which reports it when it is full: whoever found no room is not believed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_RESOLVERS);
	__type(key, struct resolver_key);
	__type(value, struct resolver);
} resolvers SEC(".maps");

static __always_inline __u32 known_namespace(__u32 namespace)
{
	return namespace == naming.host_namespace ? 0 : namespace;
}

static __always_inline struct resolver *resolver_at(struct __sk_buff *skb, bool ipv4, __u32 namespace)
{
	struct resolver_key key = {.network_namespace = namespace, .family = ipv4 ? 4 : 6};

	if (ipv4 ? bpf_skb_load_bytes(skb, IPV4_SOURCE, key.address, 4)
		 : bpf_skb_load_bytes(skb, IPV6_SOURCE, key.address, 16))
		return 0;
	return bpf_map_lookup_elem(&resolvers, &key);
}

/* ANSWER_TRUSTED where what comes from there counts. Each reason why it does not has a counter. */
static __always_inline __u8 trust_in(struct __sk_buff *skb, const struct dns_packet *packet, __u32 namespace)
{
	struct resolver *resolver = resolver_at(skb, packet->ipv4, namespace);

	if (!resolver) {
		count_name(namespace ? FOREIGN_ANSWER : UNLISTED_ANSWER);
		return 0;
	}
	/* Anybody may send over the loopback device with a foreign source address, and nobody else comes by there. */
	if (!resolver->near != (skb->ingress_ifindex != LOOPBACK_IFINDEX)) {
		count_name(STRAYED_ANSWER);
		return 0;
	}
	if (resolver->doubted && bpf_ktime_get_boot_ns() - resolver->doubted < DOUBT_NANOSECONDS) {
		count_name(DOUBTED_ANSWER);
		return ANSWER_DOUBTED;
	}
	/* Of this host, and nobody is seen to hold its port: then it can't be told from an impostor either. */
	if (resolver->near && !resolver->cgroup) {
		count_name(UNLISTED_ANSWER);
		return 0;
	}
	return ANSWER_TRUSTED;
}

/* A resolver that root starts may have become another user before it accepts a stream. */
static __always_inline bool is_of_resolver(struct __sk_buff *skb, struct sock *real, const struct resolver *resolver)
{
	__u32 uid = BPF_CORE_READ(real, sk_uid.val);

	return bpf_skb_cgroup_id(skb) == resolver->cgroup && (uid == resolver->uid || uid == resolver->process_uid);
}

/*
 * Whether a packet says that it comes from a resolver of this host, and somebody else sends it: to bind port 53 of any
 * address of the host is enough for that.
 */
static __always_inline bool is_impostor(struct __sk_buff *skb)
{
	bool ipv4 = skb->protocol == bpf_htons(ETH_P_IP);
	struct bpf_sock *sk = skb->sk;
	struct resolver *resolver;
	struct sock *real;
	__u32 transport;

	if (!sk || !may_be_dns(skb, ipv4, SOURCE_PORT))
		return false;
	transport = ipv4 ? payload4(skb) : payload6(skb);
	if (!transport || port_at(skb, transport + SOURCE_PORT) != DNS_PORT)
		return false;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return false;
	real = real_socket(sk);
	resolver = resolver_at(skb, ipv4, known_namespace(BPF_CORE_READ(real, __sk_common.skc_net.net, ns.inum)));
	if (!resolver || !resolver->near || !resolver->cgroup || is_of_resolver(skb, real, resolver))
		return false;
	resolver->doubted = bpf_ktime_get_boot_ns();
	count_name(IMPOSTOR);
	return true;
}

#endif
