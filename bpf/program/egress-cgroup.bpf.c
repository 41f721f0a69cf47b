// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel side that watches one cgroup: by connect() and sends with an address where a hook shows them, and by
 * packet what is sent otherwise. It sees no sockets of other families than IP, not where SCTP and DCCP go, and no send
 * of TCP.
 */
#include "hook/backstop.bpf.h"
#include "hook/receive.bpf.h"
#include "hook/sent.bpf.h"
#include "subject/follow.bpf.h"
#include "subject/iterator.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define ALLOW 1
#define DENY 0

static __always_inline bool denies(struct flow *flow, struct bpf_sock_addr *ctx, __u8 operation)
{
	struct bpf_sock *shown = ctx->sk;
	__u32 protocol = ctx->protocol;

	if (by_kernel_thread())
		return false;
	flow->protocol = protocol == IPPROTO_MPTCP || protocol == IPPROTO_SMC ? IPPROTO_TCP : protocol;
	if (!protocol_has_ports(flow->protocol))
		flow->port = 0;
	flow->operation = operation;
	if (!shown || (operation == OPERATION_CONNECT && ctx->type != SOCK_DGRAM))
		return judge_flow(0, flow);
	return operation == OPERATION_CONNECT ? denies_datagram_connect(shown, real_socket(shown), flow)
					      : denies_sent_by_name(shown, real_socket(shown), flow);
}

static __always_inline int verdict4(struct bpf_sock_addr *ctx, __u8 operation)
{
	struct flow flow = {};

	flow_set_ipv4(&flow, ctx->user_ip4, ctx->user_port);
	return denies(&flow, ctx, operation) ? DENY : ALLOW;
}

static __always_inline int verdict6(struct bpf_sock_addr *ctx, __u8 operation)
{
	struct flow flow = {};
	__u32 address[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};

	flow_set_ipv6(&flow, address, ctx->user_port);
	return denies(&flow, ctx, operation) ? DENY : ALLOW;
}

SEC("cgroup_skb/egress")
int backstop(struct __sk_buff *skb)
{
	return !stops_packet_counted(skb);
}

SEC("cgroup_skb/egress")
int source_route(struct __sk_buff *skb)
{
	return !stops_route_counted(skb);
}

SEC("cgroup_skb/egress")
int sent(struct __sk_buff *skb)
{
	return denies_sent_packet(skb) ? DENY : ALLOW;
}

SEC("cgroup_skb/ingress")
int received(struct __sk_buff *skb)
{
	hear_packet(skb);
	return ALLOW;
}

SEC("cgroup/sock_create")
int created(struct bpf_sock *sk)
{
	return !by_kernel_thread() && denies_created_socket(sk) ? DENY : ALLOW;
}

SEC("cgroup/setsockopt")
int option_set(struct bpf_sockopt *ctx)
{
	int level = ctx->level, option = ctx->optname;
	struct bpf_sock *sk = ctx->sk;

	/* The value stays where it is: the kernel copies no more than a page of it for programs. */
	ctx->optlen = 0;
	return sk && !by_kernel_thread() && denies_option_of(sk->protocol, level, option) ? DENY : ALLOW;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	return verdict4(ctx, OPERATION_CONNECT);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	return verdict6(ctx, OPERATION_CONNECT);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx)
{
	return verdict4(ctx, OPERATION_SEND);
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx)
{
	return verdict6(ctx, OPERATION_SEND);
}
