/* SPDX-License-Identifier: GPL-2.0 */
/* What is remembered of connected sockets, so that a send costs next to nothing and a new policy still reaches it. */
#ifndef BOUHEKI_SOCKET_H
#define BOUHEKI_SOCKET_H

#include "flow.bpf.h"

static __always_inline __u32 current_pid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

static __always_inline __u32 current_generation(void)
{
	return control.version;
}

/*
 * 0 when the socket has no file: then nothing is remembered. Reading through NULL gives 0, not a fault; but not in
 * the main program of 5.10, which has no exception table once there are other functions.
 */
static __always_inline __u64 socket_inode(struct socket *sock)
{
#ifdef LEGACY
	return BPF_CORE_READ(sock, file, f_inode, i_ino);
#else
	return sock->file->f_inode->i_ino;
#endif
}

/* The high bits of the lower half of a slot's state; the low ones are a pid, of which there are 1 << 22 (PID_MAX_LIMIT). */
enum peer {
	PEER_PASSED = 0 << 28,	/* let through unjudged: the other end opened the connection */
	PEER_NEW = 1 << 28,	/* allowed at connect(), nothing sent yet */
	PEER_DATAGRAM = 2 << 28,	/* allowed to send */
	PEER_STREAM = 3 << 28,
	PEER_OF_KIND = 4 << 28,	/* a raw or packet socket may be used; where it sends is another question */
};

/* The state of a slot that was written under this generation by this process: all that a hook has to compare. */
static __always_inline __u64 peer_of(enum peer peer, __u32 generation, __u32 pid)
{
	return (__u64)generation << 32 | pid | peer;
}

static __always_inline struct socket_slot *slot_of(__u64 socket)
{
	return &sockets[socket & (SOCKET_SLOTS - 1)];
}

/*
 * The state is read first: what stood beside it then was its own socket, and whoever wrote this socket since had
 * allowed it.
 */
static __always_inline __u64 peer_state(__u64 socket)
{
	struct socket_slot *slot = slot_of(socket);
	__u64 state = slot->state;

	return slot->socket == socket ? state : 0;
}

static __always_inline void remember_peer(__u64 socket, __u64 state)
{
	struct socket_slot *slot = slot_of(socket);

	if (!socket)
		return;
	slot->state = 0;
	slot->socket = socket;
	slot->state = state;
}

static __always_inline void forget_peer(__u64 socket)
{
	struct socket_slot *slot = slot_of(socket);

	if (slot->socket == socket)
		slot->state = 0;
}

/*
 * Whether this end opened a TCP connection, also one that is older than we are. The port that connect() takes by itself
 * has a bucket of its own kind (__inet_hash_connect: fastreuse = -1); a listener's is bound, and what it accepts
 * shares it. A connection whose port its owner bound before connect() looks like an accepted one, and is told apart
 * only while its slot lives.
 */
static __always_inline bool opened_here(struct sock *sk)
{
	struct inet_connection_sock *connection = (void *)sk;
	struct inet_bind_bucket *bucket;

	if (sk->sk_protocol == IPPROTO_MPTCP) {
		struct mptcp_sock *mptcp = (void *)sk;

		if (bpf_core_field_exists(mptcp->first))
			connection = (void *)BPF_CORE_READ(mptcp, first);
	} else if (sk->sk_protocol != IPPROTO_TCP) {
		return true;
	}
	bucket = BPF_CORE_READ(connection, icsk_bind_hash);
	return bucket && BPF_CORE_READ(bucket, fastreuse) < 0;
}

/* Options that were set before there was a policy still route by the source. */
static __always_inline bool keeps_source_route(struct sock *sk)
{
	struct inet_sock *inet = (void *)sk;
	__u16 family = sk->__sk_common.skc_family;

	if (family == AF_INET) {
		struct ip_options_rcu *options = BPF_CORE_READ(inet, inet_opt);

		return options && BPF_CORE_READ(options, opt.srr);
	}
	if (family == AF_INET6) {
		struct ipv6_txoptions *options = BPF_CORE_READ(inet, pinet6, opt);

		return options && BPF_CORE_READ(options, srcrt);
	}
	return false;
}

#endif
