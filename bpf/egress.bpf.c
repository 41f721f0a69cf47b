// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel side: every hook normalises its arguments into a struct flow, judge() decides and reports, and the hook
 * returns 0 or -EPERM. A verdict that an earlier LSM program gave is kept.
 */
#include "report.bpf.h"

char LICENSE[] SEC("license") = "GPL";

static __always_inline __u64 peer_digest(const struct flow *flow)
{
	return flow->high ^ flow->low;
}

/* 0 when the socket has no file yet: then nothing is remembered. */
static __always_inline __u64 socket_inode(const struct socket *sock)
{
	struct file *file = sock->file;
	struct inode *inode = file ? file->f_inode : 0;

	return inode ? inode->i_ino : 0;
}

static __always_inline struct socket_slot *slot_of(__u64 socket)
{
	__u32 key = socket & (SOCKET_SLOTS - 1);

	return bpf_map_lookup_elem(&sockets, &key);
}

static __always_inline void remember_peer(__u64 socket, const struct flow *flow, __u64 generation, bool sent)
{
	struct socket_slot *slot = slot_of(socket);

	if (!slot)
		return;
	slot->generation = 0;
	slot->socket = socket;
	slot->address = peer_digest(flow);
	slot->pid = bpf_get_current_pid_tgid() >> 32;
	slot->port = flow->port;
	slot->sent = sent;
	slot->generation = generation;
}

static __always_inline void forget_peer(__u64 socket)
{
	struct socket_slot *slot = slot_of(socket);

	if (slot && slot->socket == socket)
		slot->generation = 0;
}

static __always_inline bool is_canary(const struct flow *flow)
{
	return flow->low == CANARY_ADDRESS && flow->family == 4 && control.canary &&
	       control.canary == bpf_get_current_pid_tgid() >> 32;
}

/* True when the caller must get -EPERM. `connected` is the socket's inode if it keeps this peer, else 0. */
static __always_inline bool judge(__u64 connected, struct flow *flow)
{
	__u64 generation = control.generation;
	__u32 side = generation & 1;
	__u32 flags = control.flags[side], box = NO_BOX, event = 0;
	struct subject scratch = {}, *subject;
	struct tables *tables;
	bool denied = false;

	if (is_canary(flow))
		return true;
	if (!(flags & (SIDE_POLICY | SIDE_RECORD)))
		return false;
	subject = current_subject(&scratch, generation);
	tables = bpf_map_lookup_elem(&policy, &side);
	if (!subject || !tables)
		return false;
	if (subject->flags & PROCESS_IN_CONTAINER)
		event |= CONNECTION_IN_CONTAINER;
	else if (flags & SIDE_CONTAINERS)
		return false;
	if (flags & SIDE_POLICY) {
		event |= CONNECTION_JUDGED;
		box = decide(flow, subject, side);
		/* NO_BOX is above every number of deny boxes, and also a denial. */
		denied = box == NO_BOX || box < tables->deny_boxes;
	}
	if (denied && flags & SIDE_BLOCK)
		event |= CONNECTION_BLOCKED;
	/* Nothing has gone out at a UDP connect(): a would-be denial of it is an intent like any other. */
	if (denied || flags & SIDE_RECORD)
		report(flow, subject, generation, box, denied, event);
	if (connected) {
		if (event & CONNECTION_BLOCKED)
			forget_peer(connected);
		else
			remember_peer(connected, flow, generation, flow->operation == OPERATION_SEND);
	}
	return event & CONNECTION_BLOCKED;
}

/* Linux 6.12 wants to see that a hook returns 0 or an error; the arithmetic that clang makes of ?: hides it. */
static __always_inline int as_return_value(bool denied)
{
	if (denied) {
		asm volatile("");
		return -EPERM;
	}
	return 0;
}

static __always_inline int judge_connect(struct socket *sock, struct sockaddr *address, int addrlen)
{
	struct sock *sk = sock->sk;
	struct flow flow = {};

	if (!sk || is_kernel_socket(sk) || !flow_from_sockaddr(&flow, address, addrlen, false))
		return 0;
	flow_set_protocol(&flow, sk);
	flow.operation = sk->sk_type == SOCK_STREAM || sk->sk_type == SOCK_SEQPACKET ? OPERATION_CONNECT :
										       OPERATION_INTENT;
	return as_return_value(judge(socket_inode(sock), &flow));
}

/* A send on a connected socket whose peer this process was already allowed under this policy. */
static __always_inline bool peer_is_known(__u64 socket, const struct flow *flow)
{
	struct socket_slot *slot = slot_of(socket);

	return slot && slot->socket == socket && slot->generation == control.generation && slot->sent &&
	       slot->address == peer_digest(flow) && slot->port == flow->port &&
	       slot->pid == bpf_get_current_pid_tgid() >> 32;
}

static __always_inline int judge_send(struct socket *sock, struct msghdr *msg)
{
	struct sock *sk = sock->sk;
	__u64 connected = 0;
	struct flow flow = { .operation = OPERATION_SEND };
	void *name = msg->msg_name;
	bool stream;

	if (!sk || is_kernel_socket(sk))
		return 0;
	stream = sk->sk_type == SOCK_STREAM;
	/* A stream socket only looks at the address of a send that opens the connection. */
	if (stream && !(msg->msg_flags & MSG_FASTOPEN))
		return 0;
	if (name) {
		__u16 family = sk->__sk_common.skc_family;

		if (!flow_from_sockaddr(&flow, name, msg->msg_namelen, family == AF_INET))
			return 0;
		if (stream)
			flow.operation = OPERATION_CONNECT;
		flow_set_protocol(&flow, sk);
	} else {
		if (!flow_from_peer(&flow, sk))
			return 0;
		flow_set_protocol(&flow, sk);
		connected = socket_inode(sock);
		if (peer_is_known(connected, &flow))
			return 0;
	}
	return as_return_value(judge(connected, &flow));
}

SEC("lsm/socket_connect")
int BPF_PROG(socket_connect, struct socket *sock, struct sockaddr *address, int addrlen, int ret)
{
	return ret ? ret : judge_connect(sock, address, addrlen);
}

SEC("lsm/socket_sendmsg")
int BPF_PROG(socket_sendmsg, struct socket *sock, struct msghdr *msg, int size, int ret)
{
	return ret ? ret : judge_send(sock, msg);
}

SEC("lsm/bprm_committed_creds")
void BPF_PROG(committed_creds, struct linux_binprm *bprm)
{
	remember_exec(bprm);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
	inherit_identity(parent, child);
	return 0;
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(cgroup_mkdir, struct cgroup *cgroup)
{
	report_cgroup(cgroup);
	return 0;
}

#ifndef LEGACY
/* The cached subject carries the old name. */
SEC("tp_btf/task_rename")
int BPF_PROG(task_rename, struct task_struct *task)
{
	struct subject *subject = bpf_task_storage_get(&subject_cache, task, 0, 0);

	if (subject)
		subject->generation = 0;
	return 0;
}
#else
/* Task storage goes with its task by itself. */
SEC("tp_btf/sched_process_free")
int BPF_PROG(process_free, struct task_struct *task)
{
	struct leader_key key = { .started = task->start_boottime, .pid = task->tgid };

	if (task->pid == task->tgid)
		bpf_map_delete_elem(&identities, &key);
	return 0;
}
#endif
