/* SPDX-License-Identifier: GPL-2.0 */
/* What is remembered of connected sockets, so that a send costs next to nothing and a new policy still reaches it. */
#ifndef BOUHEKI_PEER_H
#define BOUHEKI_PEER_H

#include "../flow.bpf.h"
#include "../subject/current.bpf.h"

static __always_inline __u32 current_generation(void)
{
	return version_in_force();
}

/*
 * What stands for a socket: no other one has this number at the same time, and one that gets it later starts without
 * anything known of it, see forget_former(). The verifier allows no calculation with a pointer, but the difference of
 * two is a number.
 */
static __always_inline __u64 socket_key(const struct sock *sk)
{
	__u64 key = (__u64)sk;

	asm volatile("%0 -= %1" : "+r"(key) : "r"(sockets));
	return key;
}

/* The high bits of the lower half of a slot's state; the low ones are a pid, of which there are 1 << 22
 * (PID_MAX_LIMIT). */
enum peer {
	PEER_PASSED = 0 << 28,	 /* let through unjudged: the other end opened the connection */
	PEER_NEW = 1 << 28,	 /* allowed at connect(), nothing sent yet */
	PEER_DATAGRAM = 2 << 28, /* allowed to send */
	PEER_STREAM = 3 << 28,
	PEER_OF_KIND = 4 << 28, /* a raw or packet socket may be used; where it sends is another question */
	PEER_REPEATS = 6 << 28, /* a datagram socket names the same destinations again and again: see repeat.bpf.h */
	PEER_ROUTES = 7 << 28,	/* it may have a source route, so that each of its sends is looked at */
};

#define PEER_KINDS (7 << 28)

/* The state of a slot that was written under this generation by this process: all that a hook has to compare. */
static __always_inline __u64 peer_of(enum peer peer, __u32 generation, __u32 pid)
{
	return (__u64)generation << 32 | pid | peer;
}

static __always_inline enum peer peer_kind(__u64 state)
{
	return (__u32)state & PEER_KINDS;
}

/* Spreads keys, whose low bits and distances repeat, over all bits; the highest are the place of the slot. */
static __always_inline __u64 mixed(__u64 socket)
{
	return socket * 0x9e3779b97f4a7c15ULL;
}

static __always_inline struct socket_slot *slot_of(__u64 mixed)
{
	return &sockets[mixed >> (64 - SOCKET_SLOT_BITS)];
}

/* 0 when nothing is known of the socket. */
static __always_inline __u64 peer_state(__u64 socket)
{
	__u64 sum = mixed(socket);
	struct socket_slot *slot = slot_of(sum);

	return slot->socket == socket ? slot->sealed ^ sum : 0;
}

static __always_inline void remember_peer(__u64 socket, __u64 state)
{
	__u64 sum = mixed(socket);
	struct socket_slot *slot = slot_of(sum);

	if (!socket)
		return;
	slot->socket = socket;
	slot->sealed = state ^ sum;
}

/* `sum`: mixed() of the socket. */
static __always_inline void forget_peer_at(__u64 socket, __u64 sum)
{
	struct socket_slot *slot = slot_of(sum);

	if (slot->socket == socket)
		slot->socket = 0;
}

static __always_inline void forget_peer(__u64 socket)
{
	forget_peer_at(socket, mixed(socket));
}

#ifndef LEGACY
/* Whether a datagram socket has no peer of which something is remembered. */
static __always_inline bool has_no_known_peer(__u64 state)
{
	return !state || peer_kind(state) == PEER_REPEATS;
}

/* For a socket that may be about to get a source route. */
static __always_inline void look_at_each_send(const struct sock *sk)
{
	__u64 socket = socket_key(sk);

	if (sk->sk_type == SOCK_DGRAM && has_no_known_peer(peer_state(socket)))
		remember_peer(socket, peer_of(PEER_ROUTES, current_generation(), current_pid()));
}
#else
static __always_inline void look_at_each_send(const struct sock *sk)
{
}
#endif

/* What is left of a socket that had the key of this new one before it. */
static __always_inline void forget_former(struct sock *sk)
{
	if (sk)
		forget_peer(socket_key(sk));
}

/*
 * Whether a socket only looks at the address of a send that opens the connection, and then at no control message that
 * names one. SCTP looks at both, on whatever type of socket.
 */
static __always_inline bool is_stream(const struct sock *sk, __u16 type)
{
	return (type == SOCK_STREAM || type == SOCK_DCCP) && sk->sk_protocol != IPPROTO_SCTP;
}

/* A closed one has no peer, whatever address still stands in it. */
static __always_inline bool has_peer(const struct sock *sk)
{
	return sk->__sk_common.skc_state != TCP_CLOSE;
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
