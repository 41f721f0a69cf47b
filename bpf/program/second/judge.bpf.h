/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The second judge. Linux leaves out a tracing program that is running on that processor already, in a task that was
 * preempted inside of it; programs of cgroups it never leaves out. These are asked after the first judge, and judge
 * what it has not marked as allowed. They see what opens a connection, datagrams, and the sockets of IPv4 and IPv6 as
 * they are made.
 */
#ifndef BOUHEKI_SECOND_JUDGE_H
#define BOUHEKI_SECOND_JUDGE_H

#include "../hook/backstop.bpf.h"
#include "../hook/connect.bpf.h"
#include "../hook/open.bpf.h"
#include "../hook/page.bpf.h"

/* The number of a hook of cgroups in this kernel. */
#define HOOK_NUMBER(name) bpf_core_enum_value(enum cgroup_bpf_attach_type, name)

/* A connection that the kernel makes by itself for one of a process, as MPTCP does, is of no process. */
static __always_inline bool by_kernel_thread(void)
{
	return READ(current_task(), flags) & PF_KTHREAD;
}

/*
 * Whether another program of cgroups has been asked before, which may have put another destination in the place of the
 * one that was judged, as that of a load balancer does. Ours are asked last.
 */
static __always_inline bool may_be_translated(__u32 hook)
{
	struct cgroup *cgroup = BPF_CORE_READ(current_task(), cgroups, dfl_cgrp);
	struct bpf_prog_array *programs = 0;
	__u64 at = (__u64)cgroup + bpf_core_field_offset(struct cgroup, bpf.effective) + 8 * hook;

	return !bpf_probe_read_kernel(&programs, sizeof(programs), (void *)at) && programs &&
	       BPF_CORE_READ(programs, items[0].prog) && BPF_CORE_READ(programs, items[1].prog);
}

/* As is_probe(), of a socket that is no typed pointer. */
static __always_inline bool is_probe_again(const struct socket *socket, const struct sock *sk)
{
	return socket && BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_ESTABLISHED && !is_shared(socket);
}

static __always_inline bool denies_again(struct flow *flow, struct bpf_sock_addr *ctx, __u8 operation, __u32 hook)
{
	__u32 protocol = ctx->protocol;
	struct socket *socket;
	struct sock *sk;

	if (!blocks() || !ctx->sk)
		return false;
	flow->protocol = protocol == IPPROTO_MPTCP || protocol == IPPROTO_SMC ? IPPROTO_TCP : protocol;
	if (!protocol_has_ports(flow->protocol))
		flow->port = 0;
	flow->operation = operation == OPERATION_CONNECT && ctx->type == SOCK_DGRAM ? OPERATION_INTENT : operation;
	if (was_allowed(flow, false) || is_kernel_packet(ctx->sk) || by_kernel_thread() ||
	    (may_be_translated(hook) && was_allowed(flow, true)))
		return false;
	sk = real_socket(ctx->sk);
	socket = BPF_CORE_READ(sk, sk_socket);
	if (flow->operation == OPERATION_INTENT) {
		/* What is remembered of the socket is of the peer before. */
		forget_peer(key_of_number((__u64)sk));
		flow->probe = is_probe_again(socket, sk);
	}
	return denies_datagram(0, socket, flow);
}

static __always_inline bool denies_again4(struct bpf_sock_addr *ctx, __u8 operation, __u32 hook)
{
	struct flow flow = {};

	flow_set_ipv4(&flow, ctx->user_ip4, ctx->user_port);
	return denies_again(&flow, ctx, operation, hook);
}

static __always_inline bool denies_again6(struct bpf_sock_addr *ctx, __u8 operation, __u32 hook)
{
	struct flow flow = {};
	__u32 address[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};

	flow_set_ipv6(&flow, address, ctx->user_port);
	return denies_again(&flow, ctx, operation, hook);
}

/* The kinds of denies_socket() that belong to IPv4 and IPv6. */
static __always_inline bool denies_socket_again(struct bpf_sock *ctx)
{
	__u32 type = ctx->type, protocol = ctx->protocol;
	struct flow flow = {.operation = OPERATION_OPEN, .protocol = protocol};

	flow.port = inet_socket_kind(type, protocol);
	if (!flow.port || !blocks() || was_allowed(&flow, false) || by_kernel_thread())
		return false;
	return judge_flow(0, &flow);
}

/* Whether a packet goes to the peer of the socket that sends it. Elsewhere it was sent by a name. */
static __always_inline bool goes_to_peer(const struct flow *flow, const struct sock *sk)
{
	struct in6_addr peer;

	if (BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_ESTABLISHED)
		return false;
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET)
		return bpf_ntohl(BPF_CORE_READ(sk, __sk_common.skc_daddr)) == (__u32)flow->low;
	peer = BPF_CORE_READ(sk, __sk_common.skc_v6_daddr);
	/* Of a mapped address the last word alone leaves. */
	if (flow->family == 4)
		return bpf_ntohl(peer.in6_u.u6_addr32[3]) == (__u32)flow->low;
	return (((__u64)bpf_ntohl(peer.in6_u.u6_addr32[2]) << 32) | bpf_ntohl(peer.in6_u.u6_addr32[3])) == flow->low;
}

/*
 * A datagram that names no destination passes no other program of cgroups than this one, and has no process here. It
 * goes on where the first judge has allowed its socket to send, or its thread; otherwise it is dropped. Of protocols
 * without ports that is known of threads alone, and a packet may leave later than its thread has made it, so there
 * only what the policy denies to all subjects is dropped.
 */
static __always_inline bool stops_unjudged(struct __sk_buff *skb)
{
	struct flow flow = {.operation = OPERATION_SEND};
	struct bpf_sock *sk = skb->sk;
	struct sock *real;
	__u64 state;
	__u32 at;

	if (!sk)
		return false;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->type != SOCK_DGRAM || !blocks_on_host((__u32)version_in_force()) || is_kernel_packet(sk))
		return false;
	real = real_socket(sk);
	state = peer_state(key_of_number((__u64)real));
	if (peer_kind(state) == PEER_DATAGRAM && state >> 32 == current_generation())
		return false;
	if (!flow_from_packet(&flow, skb))
		return false;
	flow.protocol = sk->protocol;
	if (!has_conversations(flow.protocol))
		return judges_packets((__u32)version_in_force()) && !was_allowed(&flow, false) && reach_of(&flow);
	at = skb->protocol == bpf_htons(ETH_P_IP) ? payload4(skb) : payload6(skb);
	/* answers() finds the port. */
	return goes_to_peer(&flow, real) && !answers(skb, sk, &flow, at) && !was_allowed(&flow, false);
}

static __always_inline bool stops_unjudged_counted(struct __sk_buff *skb)
{
	if (!stops_unjudged(skb))
		return false;
	count(STOPPED_UNJUDGED);
	return true;
}

#endif
