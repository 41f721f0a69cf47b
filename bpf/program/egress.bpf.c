// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel side: every hook normalises its arguments into a struct flow, judge() decides and reports, and the hook
 * returns 0 or -EPERM. A verdict that an earlier LSM program gave is kept.
 */
#include "backstop.bpf.h"
#include "subject/iterator.bpf.h"
#include "judge.bpf.h"

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

static __always_inline bool denies_connect(struct socket *sock, struct sockaddr *address, int addrlen)
{
	struct sock *sk = sock->sk;
	struct flow flow = {};
	bool stream;

	if (!sk || is_kernel_socket(sk))
		return false;
	/* By far the most, and read without a helper. */
	if (addrlen >= ADDRLEN_IPV4 && address->sa_family == AF_INET) {
		struct sockaddr_in *ipv4 = (struct sockaddr_in *)address;

		flow_set_ipv4(&flow, ipv4->sin_addr.s_addr, ipv4->sin_port);
	} else if (!flow_from_sockaddr(&flow, address, addrlen, AF_UNSPEC)) {
		/* It loses its peer. */
		if (addrlen >= (int)sizeof(address->sa_family) && address->sa_family == AF_UNSPEC)
			forget_peer(socket_key(sk));
		return false;
	}
	flow_set_protocol(&flow, sk);
	/* Nothing leaves at the connect() of what has no connections. */
	flow.operation = flow.protocol == IPPROTO_UDP || sk->sk_type == SOCK_DGRAM || sk->sk_type == SOCK_RAW ?
				 OPERATION_INTENT :
				 OPERATION_CONNECT;
	/* The kernel refuses a connection that is there another peer: it keeps the one it has. */
	stream = is_stream(sk, sk->sk_type);
	return judge_flow(stream && has_peer(sk) ? 0 : socket_key(sk), &flow);
}

/*
 * A send on a connected stream socket. A connection that this end opened is judged again when the policy or the
 * process is another than before. One that was accepted is let through: what is answered to clients is not egress, and
 * cutting it off would cut the administrator off.
 */
static __always_inline bool denies_stream_send(__u64 socket, struct sock *sk, __u64 state, __u32 generation, __u32 pid)
{
	struct flow flow = { .operation = OPERATION_SEND };

	/* Nothing leaves, and nothing is noted: it may get any peer yet. */
	if (!flow_from_peer(&flow, sk) || !has_peer(sk))
		return false;
	if (state == peer_of(PEER_NEW, generation, pid)) {
		remember_peer(socket, peer_of(PEER_STREAM, generation, pid));
		return false;
	}
	/* The state of another generation or process still tells that connect() was seen. */
	if (!(state & PEER_NEW) && !opened_here(sk)) {
		remember_peer(socket, peer_of(PEER_PASSED, generation, pid));
		return false;
	}
	flow_set_protocol(&flow, sk);
	if (judge_flow(0, &flow))
		return true;
	/* What was read before the verdict: should the policy have changed meanwhile, the next send is judged. */
	remember_peer(socket, peer_of(PEER_STREAM, generation, pid));
	return false;
}

/* Anything else that is connected can't have been accepted. */
static __always_inline bool denies_connected_send(__u64 socket, struct sock *sk)
{
	struct flow flow = { .operation = OPERATION_SEND };

	if (!flow_from_peer(&flow, sk))
		return false;
	flow_set_protocol(&flow, sk);
	return judge_flow(socket, &flow);
}

/* A send that names its destination. `connects` is the socket's key if the send opens a connection, else 0. */
static __always_inline bool denies_named_send(__u64 connects, struct sock *sk, struct msghdr *msg, __u16 unspec)
{
	struct flow flow = { .operation = connects ? OPERATION_CONNECT : OPERATION_SEND };

	if (!flow_from_sockaddr(&flow, msg->msg_name, msg->msg_namelen, unspec))
		return false;
	flow_set_protocol(&flow, sk);
	return judge_flow(connects, &flow);
}

/* What the name would mean if the family of the socket changed after this hook has looked (IPV6_ADDRFORM). */
static __always_inline bool denies_guess(struct sock *sk, struct msghdr *msg, __u16 unspec)
{
	struct flow flow = { .operation = OPERATION_GUESS };

	if (!flow_from_sockaddr(&flow, msg->msg_name, msg->msg_namelen, unspec))
		return false;
	flow_set_protocol(&flow, sk);
	return judge_flow(0, &flow);
}

/*
 * A name of family AF_UNSPEC on an IPv6 socket: IPv6 to a raw socket, nothing to the others, which send to the peer
 * they have.
 */
static __always_inline bool denies_unspecified_send(__u64 socket, struct sock *sk, struct msghdr *msg)
{
	if (sk->sk_type == SOCK_RAW)
		return denies_named_send(0, sk, msg, AF_INET6);
	return denies_guess(sk, msg, AF_INET) || denies_connected_send(socket, sk);
}

/*
 * Sockets that were opened before the policy: what opening them would have needed, sending through them needs. Those of
 * netlink bear the type of raw ones as a rule, and talk to the kernel alone.
 */
static __always_inline bool denies_kind(__u64 socket, struct sock *sk, __u16 type)
{
	__u16 family = sk->__sk_common.skc_family;

	if (family == AF_PACKET || family == AF_XDP)
		return judge_use(socket, SOCKET_PACKET, 0);
	return type == SOCK_RAW && family != AF_NETLINK && judge_use(socket, SOCKET_RAW, sk->sk_protocol);
}

static __always_inline bool denies_send(struct socket *sock, struct msghdr *msg)
{
	__u32 generation = current_generation(), pid = current_pid();
	struct sock *sk = sock->sk;
	__u16 family = AF_UNSPEC, type;
	bool stream, named;
	__u64 socket, state;

	if (!sk)
		return false;
	socket = socket_key(sk);
	state = peer_state(socket);
	/*
	 * What nearly every send of the host is: one more on a connection that was allowed. Such a socket looks at nothing
	 * of the message but its data, and the rest at neither when there is none. Unless the connection is over: then
	 * MSG_FASTOPEN makes another one.
	 */
	if ((state == peer_of(PEER_STREAM, generation, pid) || state == peer_of(PEER_PASSED, generation, pid)) &&
	    !(msg->msg_flags & MSG_FASTOPEN))
		return false;
	if (is_kernel_socket(sk))
		return false;
	type = sk->sk_type;
	stream = is_stream(sk, type);
	named = msg->msg_name && msg->msg_namelen > 0 && (!stream || msg->msg_flags & MSG_FASTOPEN);
	if (state == peer_of(PEER_DATAGRAM, generation, pid)) {
		if (!named && !msg->msg_controllen)
			return false;
	} else if ((state != peer_of(PEER_OF_KIND, generation, pid) && denies_kind(socket, sk, type)) ||
		   (keeps_source_route(sk) && judge_opening(SOCKET_SOURCE_ROUTE, sk->sk_protocol))) {
		return true;
	}
	if (msg->msg_controllen && !(stream && sk->sk_protocol == IPPROTO_TCP) && denies_control(sk, msg))
		return true;
	if (!named)
		return stream ? denies_stream_send(socket, sk, state, generation, pid) :
				denies_connected_send(socket, sk);
	bpf_probe_read_kernel(&family, sizeof(family), msg->msg_name);
	if (family == AF_UNSPEC && sk->__sk_common.skc_family == AF_INET6)
		return denies_unspecified_send(socket, sk, msg);
	/* What would open a connection does not when there is one: what counts is its peer, and nothing is noted. */
	if (stream && has_peer(sk))
		return denies_named_send(0, sk, msg, AF_INET) ||
		       denies_stream_send(socket, sk, state, generation, pid);
	return denies_named_send(stream ? socket : 0, sk, msg, AF_INET);
}

SEC("lsm/socket_connect")
int BPF_PROG(socket_connect, struct socket *sock, struct sockaddr *address, int addrlen, int ret)
{
	return ret ? ret : as_return_value(denies_connect(sock, address, addrlen));
}

SEC("lsm/socket_sendmsg")
int BPF_PROG(socket_sendmsg, struct socket *sock, struct msghdr *msg, int size, long ret)
{
	return ret ? ret : as_return_value(denies_send(sock, msg));
}

SEC("lsm/sctp_bind_connect")
int BPF_PROG(sctp_bind_connect, struct sock *sk, int optname, struct sockaddr *address, int addrlen, int ret)
{
	return ret ? ret : as_return_value(denies_sctp_addresses(sk, optname, address, addrlen));
}

SEC("lsm/socket_create")
int BPF_PROG(socket_create, int family, int type, int protocol, int kern, int ret)
{
	return ret ? ret : as_return_value(!kern && denies_socket(family, type, protocol));
}

/* Both ways in which a process gets a socket. */
SEC("lsm/socket_post_create")
int BPF_PROG(socket_post_create, struct socket *sock, int family, int type, int protocol, int kern, int ret)
{
	forget_former(sock->sk);
	return ret;
}

SEC("lsm/sock_graft")
void BPF_PROG(sock_graft, struct sock *sk)
{
	forget_former(sk);
}

SEC("lsm/socket_setsockopt")
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

SEC("lsm/bprm_committed_creds")
void BPF_PROG(committed_creds, struct linux_binprm *bprm)
{
	remember_exec(bprm);
	remember_script(bprm);
	forget_subject(current_task());
}

SEC("lsm/task_prctl")
int BPF_PROG(task_prctl, int option, unsigned long what, unsigned long third, unsigned long fourth,
	     unsigned long fifth, int ret)
{
	return ret ? ret : as_return_value(forgets_file(option, what));
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
	inherit_identity(parent, child);
	inherit_script(parent, child);
	return 0;
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(cgroup_mkdir, struct cgroup *cgroup)
{
	list_deep_cgroup(cgroup);
	report_cgroup(cgroup);
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(cgroup_rmdir, struct cgroup *cgroup)
{
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
#else
/* Task storage goes with its task by itself. */
SEC("tp_btf/sched_process_free")
int BPF_PROG(process_free, struct task_struct *task)
{
	struct leader_key key = { .started = task->start_boottime, .pid = task->tgid };

	if (task->pid == task->tgid) {
		bpf_map_delete_elem(&identities, &key);
		bpf_map_delete_elem(&scripts, &key);
	}
	return 0;
}
#endif
