// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel side: every hook normalises its arguments into a struct flow, judge() decides and reports, and the hook
 * returns 0 or -EPERM. A verdict that an earlier program of the same hook gave is kept.
 *
 * FMOD_RET, for kernels where `bpf` is no active security module, puts the same programs before the functions that ask
 * the modules. What they deny no module is asked for any more; what a module will refuse is not known yet.
 */
#include "hook/backstop.bpf.h"
#include "hook/connect.bpf.h"
#include "hook/page.bpf.h"
#include "hook/receive.bpf.h"
#include "hook/sctp.bpf.h"
#include "hook/send.bpf.h"
#ifdef LEGACY
#include "second/judge.bpf.h"
#endif
#include "subject/follow.bpf.h"
#include "subject/iterator.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* Linux 6.12 wants to see that a hook returns 0 or an error; the arithmetic that clang makes of ?: hides it. */
static __always_inline int as_return_value(bool denied)
{
	if (denied) {
		asm volatile("");
		return -EPERM;
	}
	return 0;
}

HOOK(socket_connect)
int BPF_PROG(socket_connect, struct socket *sock, struct sockaddr *address, int addrlen, int ret)
{
	return ret ? ret : as_return_value(denies_connect(sock, address, addrlen));
}

HOOK(socket_sendmsg)
int BPF_PROG(socket_sendmsg, struct socket *sock, struct msghdr *msg, int size, long ret)
{
	const struct sock *sk;

	if (ret)
		return ret;
	if (!denies_send(sock, msg))
		return 0;
	/* As the kernel says it. */
	sk = sock->sk;
	if (sk && !msg->msg_name && goes_nowhere(sk)) {
		asm volatile("");
		return -EDESTADDRREQ;
	}
	return as_return_value(true);
}

/* Attached by the daemon where it is needed. */
HOOK(file_permission)
int BPF_PROG(socket_pages, struct file *file, int mask, int ret)
{
	return ret ? ret : as_return_value(denies_pages(file, mask));
}

HOOK(sctp_bind_connect)
int BPF_PROG(sctp_bind_connect, struct sock *sk, int optname, struct sockaddr *address, int addrlen, int ret)
{
	return ret ? ret : as_return_value(denies_sctp_addresses(sk, optname, address, addrlen));
}

HOOK(socket_create)
int BPF_PROG(socket_create, int family, int type, int protocol, int kern, int ret)
{
	return ret ? ret : as_return_value(!kern && denies_new_socket(family, type, protocol));
}

/* Before the program that receives it can answer. */
SEC("fentry/__udp_enqueue_schedule_skb")
int BPF_PROG(udp_received, struct sock *sk, struct sk_buff *skb)
{
	hear_datagram(sk, skb);
	return 0;
}

/* Both ways in which a process gets a socket. */
HOOK(socket_post_create)
int BPF_PROG(socket_post_create, struct socket *sock, int family, int type, int protocol, int kern, int ret)
{
	forget_former(sock->sk);
	if (!ret && !kern)
		remember_opening(sock->sk, family, type);
	return ret;
}

VOID_HOOK(sock_graft)
int BPF_PROG(sock_graft, struct sock *sk)
{
	forget_former(sk);
	return 0;
}

HOOK(socket_setsockopt)
int BPF_PROG(socket_setsockopt, struct socket *sock, int level, int optname, int ret)
{
	return ret ? ret : as_return_value(denies_option(sock, level, optname));
}

/* The packet as it leaves: after address translation, source routing and what a raw socket wrote into its header. */
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

#ifdef SECOND_JUDGE
#define ALLOW_SOCKET(denied) ((denied) ? 0 : 1)

SEC("cgroup/connect4")
int second_connect4(struct bpf_sock_addr *ctx)
{
	return ALLOW_SOCKET(denies_again4(ctx, OPERATION_CONNECT, HOOK_NUMBER(CGROUP_INET4_CONNECT)));
}

SEC("cgroup/connect6")
int second_connect6(struct bpf_sock_addr *ctx)
{
	return ALLOW_SOCKET(denies_again6(ctx, OPERATION_CONNECT, HOOK_NUMBER(CGROUP_INET6_CONNECT)));
}

SEC("cgroup/sendmsg4")
int second_sendmsg4(struct bpf_sock_addr *ctx)
{
	return ALLOW_SOCKET(denies_again4(ctx, OPERATION_SEND, HOOK_NUMBER(CGROUP_UDP4_SENDMSG)));
}

SEC("cgroup/sendmsg6")
int second_sendmsg6(struct bpf_sock_addr *ctx)
{
	return ALLOW_SOCKET(denies_again6(ctx, OPERATION_SEND, HOOK_NUMBER(CGROUP_UDP6_SENDMSG)));
}

SEC("cgroup/sock_create")
int second_create(struct bpf_sock *ctx)
{
	return ALLOW_SOCKET(denies_socket_again(ctx));
}

SEC("cgroup_skb/egress")
int second_packet(struct __sk_buff *skb)
{
	return !stops_unjudged_counted(skb);
}
#endif

HOOK(task_prctl)
int BPF_PROG(task_prctl, int option, unsigned long what, unsigned long third, unsigned long fourth, unsigned long fifth,
	     int ret)
{
	return ret ? ret : as_return_value(forgets_file(option, what));
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(cgroup_mkdir, struct cgroup *cgroup)
{
	if (!is_of_version2(cgroup))
		return 0;
	list_deep_cgroup(cgroup);
	list_expected_cgroup(cgroup);
	report_cgroup(cgroup);
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(cgroup_rmdir, struct cgroup *cgroup)
{
	if (is_of_version2(cgroup))
		unlist_cgroup(cgroup);
	return 0;
}

/* Rare enough to work every subject out anew. */
SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(cgroup_attach_task)
{
	__sync_fetch_and_add(&control.version, VERSION_SUBJECTS);
	return 0;
}

#ifndef LEGACY
/* The cached subject carries the old name. */
SEC("tp_btf/task_rename")
int BPF_PROG(task_rename, struct task_struct *task)
{
	forget_subject(task);
	return 0;
}
#endif
