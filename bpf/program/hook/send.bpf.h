/* SPDX-License-Identifier: GPL-2.0 */
/* Sends: on a connection, to a name, or through a socket of a kind that takes a permission. */
#ifndef BOUHEKI_SEND_H
#define BOUHEKI_SEND_H

#include "control.bpf.h"
#include "reply.bpf.h"

/*
 * A send on a connected stream socket. A connection that this end opened is judged again when the policy or the
 * process is another than before. One that was accepted is let through: what is answered to clients is not egress, and
 * cutting it off would cut the administrator off.
 */
static __always_inline bool denies_stream_send(__u64 socket, struct sock *sk, __u64 state, __u32 generation, __u32 pid)
{
	struct flow flow = {.operation = OPERATION_SEND};

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

/*
 * Whether a datagram without a name has no peer to go to, which the kernel refuses: unless the socket gets one behind
 * this verdict. An address that a socket of IPv6 still has is none. What is corked goes where its first part went.
 */
static __always_inline bool goes_nowhere(const struct sock *sk)
{
	return sk->__sk_common.skc_state != TCP_ESTABLISHED && sk->sk_type == SOCK_DGRAM &&
	       has_conversations(sk->sk_protocol) && !BPF_CORE_READ((const struct udp_sock *)sk, pending);
}

/* Anything else that is connected can't have been accepted. */
static __always_inline bool denies_connected_send(__u64 socket, const struct socket *sock, struct sock *sk)
{
	struct flow flow = {.operation = OPERATION_SEND};

	if (goes_nowhere(sk))
		return blocks();
	if (!flow_from_peer(&flow, sk))
		return false;
	flow_set_protocol(&flow, sk);
	return denies_datagram(socket, sock, &flow);
}

#ifndef LEGACY
/* So that a socket's next equal datagrams cost little. What is kept of one that has a peer is worth more. */
static __always_inline void remember_repeats(struct sock *sk, const struct msghdr *msg, const struct flow *flow)
{
	__u64 socket = socket_key(sk), state = peer_state(socket);

	if (flow->again && sk->sk_type == SOCK_DGRAM && has_no_known_peer(state) && !keeps_source_route(sk) &&
	    remember_name(flow, msg))
		remember_peer(socket, peer_of(PEER_REPEATS, current_generation(), current_pid()));
}

/*
 * Whether a datagram is like others that this socket has sent just now: allowed, and counted. One that may have
 * a source route has lost its PEER_REPEATS: see denies_option().
 */
static __always_inline bool repeats_datagram(const struct socket *sock, const struct msghdr *msg)
{
	/* As socket_number() has it, without a helper. */
	return !msg->msg_controllen && count_again(msg, sock->file->f_inode->i_ino);
}
#else
static __always_inline void remember_repeats(struct sock *sk, const struct msghdr *msg, const struct flow *flow)
{
}

static __always_inline bool repeats_datagram(const struct socket *sock, const struct msghdr *msg)
{
	return false;
}
#endif

/* A send that names its destination. `connects` is the socket's key if the send opens a connection, else 0. */
static __always_inline bool denies_named_send(__u64 connects, const struct socket *sock, struct sock *sk,
					      struct msghdr *msg, __u16 unspec)
{
	struct flow flow = {.operation = connects ? OPERATION_CONNECT : OPERATION_SEND};

	if (!flow_from_sockaddr(&flow, msg->msg_name, msg->msg_namelen, unspec))
		return false;
	flow_set_protocol(&flow, sk);
	if (connects ? judge_flow(connects, &flow) : denies_datagram(0, sock, &flow))
		return true;
	remember_repeats(sk, msg, &flow);
	return false;
}

/* What the name would mean if the family of the socket changed after this hook has looked (IPV6_ADDRFORM). */
static __always_inline bool denies_guess(struct sock *sk, struct msghdr *msg, __u16 unspec)
{
	struct flow flow = {.operation = OPERATION_GUESS};

	if (!flow_from_sockaddr(&flow, msg->msg_name, msg->msg_namelen, unspec))
		return false;
	flow_set_protocol(&flow, sk);
	return judge_flow(0, &flow);
}

/*
 * A name of family AF_UNSPEC on an IPv6 socket: IPv6 to a raw socket, nothing to the others, which send to the peer
 * they have.
 */
static __always_inline bool denies_unspecified_send(__u64 socket, const struct socket *sock, struct sock *sk,
						    struct msghdr *msg)
{
	if (sk->sk_type == SOCK_RAW)
		return denies_named_send(0, sock, sk, msg, AF_INET6);
	return denies_guess(sk, msg, AF_INET) || denies_connected_send(socket, sock, sk);
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
	 * What nearly every send of the host is: one more on a connection that was allowed. Such a socket looks at
	 * nothing of the message but its data, and the rest at neither when there is none. Unless the connection is
	 * over: then MSG_FASTOPEN makes another one.
	 */
	if ((state == peer_of(PEER_STREAM, generation, pid) || state == peer_of(PEER_PASSED, generation, pid)) &&
	    !(msg->msg_flags & MSG_FASTOPEN))
		return false;
	if (state == peer_of(PEER_REPEATS, generation, pid) && repeats_datagram(sock, msg))
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
		return stream ? denies_stream_send(socket, sk, state, generation, pid)
			      : denies_connected_send(socket, sock, sk);
	bpf_probe_read_kernel(&family, sizeof(family), msg->msg_name);
	if (family == AF_UNSPEC && sk->__sk_common.skc_family == AF_INET6)
		return denies_unspecified_send(socket, sock, sk, msg);
	/* What would open a connection does not when there is one: what counts is its peer, and nothing is noted. */
	if (stream && has_peer(sk))
		return denies_named_send(0, sock, sk, msg, AF_INET) ||
		       denies_stream_send(socket, sk, state, generation, pid);
	return denies_named_send(stream ? socket : 0, sock, sk, msg, AF_INET);
}

#endif
