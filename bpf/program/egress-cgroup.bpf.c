// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel side for kernels without BPF LSM, on the processes of one cgroup. It sees TCP connect() and what UDP
 * sends with an address; not raw sockets, other protocols, nor sends on sockets that are connected already.
 */
#include "hook/backstop.bpf.h"
#include "hook/receive.bpf.h"
#include "hook/reply.bpf.h"
#include "subject/iterator.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define ALLOW 1
#define DENY 0

/* A denial can put an in-kernel client, such as NFS, into an endless retry. The hook does not show whose socket it is.
 */
static __always_inline bool by_kernel_thread(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	return BPF_CORE_READ(task, flags) & PF_KTHREAD && !BPF_CORE_READ(task, mm);
}

static __always_inline const void *socket_of(struct bpf_sock *sk)
{
	return sk ? BPF_CORE_READ(real_socket(sk), sk_socket) : 0;
}

static __always_inline int verdict(struct flow *flow, struct bpf_sock_addr *ctx, __u8 operation)
{
	__u32 protocol = ctx->protocol;

	flow->protocol = protocol == IPPROTO_MPTCP || protocol == IPPROTO_SMC ? IPPROTO_TCP : protocol;
	if (!protocol_has_ports(flow->protocol))
		flow->port = 0;
	/* Sends on a connected socket pass unseen here, so a UDP connect() is the last that is heard of it. */
	flow->operation = operation;
	return !by_kernel_thread() && denies_datagram(0, socket_of(ctx->sk), flow) ? DENY : ALLOW;
}

static __always_inline int verdict4(struct bpf_sock_addr *ctx, __u8 operation)
{
	struct flow flow = {};

	flow_set_ipv4(&flow, ctx->user_ip4, ctx->user_port);
	return verdict(&flow, ctx, operation);
}

static __always_inline int verdict6(struct bpf_sock_addr *ctx, __u8 operation)
{
	struct flow flow = {};
	__u32 address[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};

	flow_set_ipv6(&flow, address, ctx->user_port);
	return verdict(&flow, ctx, operation);
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

SEC("cgroup_skb/ingress")
int received(struct __sk_buff *skb)
{
	hear_packet(skb);
	return ALLOW;
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
