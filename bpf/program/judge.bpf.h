/* SPDX-License-Identifier: GPL-2.0 */
/* One way to judge for all hooks. */
#ifndef BOUHEKI_JUDGE_H
#define BOUHEKI_JUDGE_H

#include "report.bpf.h"
#include "socket.bpf.h"

static __always_inline bool is_canary(const struct flow *flow)
{
	return flow->low == CANARY_ADDRESS && flow->family == 4 && control.canary &&
	       control.canary == current_pid();
}

/* The box that decides, for the destination of a flow or the kind of socket that it opens. */
static __always_inline __u32 deciding_box(struct flow *flow, struct subject *subject, __u32 side)
{
	struct decision *known;
	__u64 rest;

	if (flow->operation == OPERATION_OPEN)
		return decide_socket(subject, flow->port, side);
	/* A process connects to the same few destinations again and again. */
	rest = flow->port | (__u64)flow->protocol << 16 | (__u64)flow->family << 32;
	known = &subject->decisions[(flow->low ^ flow->port) & (DECISIONS - 1)];
	if (known->rest == rest && known->low == flow->low && known->high == flow->high)
		return known->box;
	known->rest = rest;
	known->low = flow->low;
	known->high = flow->high;
	known->box = decide(flow, subject, side);
	return known->box;
}

static __always_inline enum peer peer_after(__u8 operation)
{
	if (operation == OPERATION_OPEN)
		return PEER_OF_KIND;
	return operation == OPERATION_SEND ? PEER_DATAGRAM : PEER_NEW;
}

/* True when the caller must get -EPERM. `connected` is the socket's key if it keeps this peer, else 0. */
static __always_inline bool is_denied(__u64 connected, struct flow *flow)
{
	__u64 version = control.version;
	__u32 side = version & 1;
	__u32 flags = control.flags[side], box = NO_BOX, event = 0;
	struct subject *subject;
	bool denied = false;

	if (is_canary(flow))
		return true;
	if (!(flags & (SIDE_POLICY | SIDE_RECORD)))
		return false;
	subject = current_subject(version);
	if (!subject)
		return (flags & (SIDE_POLICY | SIDE_BLOCK)) == (SIDE_POLICY | SIDE_BLOCK);
	if (subject->flags & PROCESS_IN_CONTAINER)
		event |= CONNECTION_IN_CONTAINER;
	else if (flags & SIDE_CONTAINERS)
		return false;
	if (flags & SIDE_POLICY) {
		event |= CONNECTION_JUDGED;
		box = deciding_box(flow, subject, side);
		/* NO_BOX is above every number of deny boxes, and also a denial. */
		denied = box == NO_BOX || box < control.deny_boxes[side];
	}
	if (was_taken(subject)) {
		count(LOST_SUBJECT);
		return (flags & (SIDE_POLICY | SIDE_BLOCK)) == (SIDE_POLICY | SIDE_BLOCK);
	}
	if (denied && flags & SIDE_BLOCK)
		event |= CONNECTION_BLOCKED;
	/* A guess at what a name might mean is only told when it is held against the caller. */
	if (flow->operation == OPERATION_GUESS) {
		if (!(event & CONNECTION_BLOCKED))
			return false;
		flow->operation = OPERATION_SEND;
	}
	if (denied || flags & SIDE_RECORD)
		report(flow, subject, version, box, denied, event);
	if (connected) {
		if (event & CONNECTION_BLOCKED)
			forget_peer(connected);
		else
			remember_peer(connected, peer_of(peer_after(flow->operation), version, subject->pid));
	}
	return event & CONNECTION_BLOCKED;
}

#ifndef LEGACY
__noinline int judge(__u64 connected, struct flow *flow)
{
	return flow && is_denied(connected, flow);
}

static __always_inline bool judge_flow(__u64 connected, struct flow *flow)
{
	return judge(connected, flow);
}
#else
/* A flow in three numbers, because a global function takes no pointers before 5.12. */
__noinline int judge(__u64 connected, __u64 high, __u64 low, __u64 rest)
{
	struct flow flow = {
		.high = high,
		.low = low,
		.port = rest,
		.protocol = rest >> 16,
		.family = rest >> 32,
		.operation = rest >> 40,
	};

	return is_denied(connected, &flow);
}

static __always_inline bool judge_flow(__u64 connected, struct flow *flow)
{
	return judge(connected, flow->high, flow->low,
		     flow->port | (__u64)flow->protocol << 16 | (__u64)flow->family << 32 |
			     (__u64)flow->operation << 40);
}
#endif

/* `socket` is the key of a socket that is open already, so that each of its sends is not one more opening; else 0. */
static __always_inline bool judge_use(__u64 socket, enum socket_kind kind, __u16 protocol)
{
	struct flow flow = { .operation = OPERATION_OPEN, .port = kind, .protocol = protocol };

	return judge_flow(socket, &flow);
}

static __always_inline bool judge_opening(enum socket_kind kind, __u16 protocol)
{
	return judge_use(0, kind, protocol);
}

/* Sockets that carry no IP traffic of their own choosing, and those whose destinations the other hooks see. */
static __always_inline bool denies_socket(int family, int type, int protocol)
{
	if (family == AF_PACKET || family == AF_XDP)
		return judge_opening(SOCKET_PACKET, protocol);
	if (family == AF_UNIX || family == AF_NETLINK || family == AF_ALG)
		return false;
	if (family != AF_INET && family != AF_INET6)
		return judge_opening(SOCKET_OTHER, family);
	if (type == SOCK_RAW)
		return judge_opening(SOCKET_RAW, protocol);
	if (protocol == IPPROTO_IP || protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP || protocol == IPPROTO_UDP ||
	    protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
		return false;
	return judge_opening(SOCKET_OTHER, protocol);
}

static __always_inline bool is_source_route(int level, int option)
{
	if (level == SOL_IP)
		return option == IP_OPTIONS || option == IP_RETOPTS;
	return level == SOL_IPV6 && (option == IPV6_RTHDR || option == IPV6_2292RTHDR ||
				     option == IPV6_2292PKTOPTIONS || option == IPV6_FLOWLABEL_MGR);
}

/* The hook does not see the value of the option: clearing one is judged like setting it. */
static __always_inline bool denies_option(const struct socket *sock, int level, int option)
{
	struct sock *sk = sock->sk;

	if (!sk || is_kernel_socket(sk))
		return false;
	if ((level == SOL_IP && option == IP_HDRINCL) || (level == SOL_IPV6 && option == IPV6_HDRINCL))
		return judge_opening(SOCKET_RAW, sk->sk_protocol);
	return is_source_route(level, option) && judge_opening(SOCKET_SOURCE_ROUTE, sk->sk_protocol);
}

#define CONTROL_MESSAGES 8

struct control_header {
	__u64 length;
	int level;
	int type;
};

/* A further address of the peer of an SCTP association, which no other hook is shown. It shares the port of the first. */
static __always_inline bool denies_further_address(struct sock *sk, const struct msghdr *msg, int type, __u64 at)
{
	struct flow flow = { .operation = OPERATION_CONNECT };
	__u32 address[4] = {};
	__u16 port = 0;

	bpf_probe_read_kernel(&port, sizeof(port), msg->msg_name + 2);
	if (type == SCTP_DSTADDRV4) {
		bpf_probe_read_kernel(address, 4, (void *)at);
		flow_set_ipv4(&flow, address[0], port);
	} else {
		bpf_probe_read_kernel(address, 16, (void *)at);
		flow_set_ipv6(&flow, address, port);
	}
	flow_set_protocol(&flow, sk);
	return judge_flow(0, &flow);
}

/*
 * Control messages that route by the source or name a destination. More messages than are looked at count as ones
 * that route.
 */
static __always_inline bool denies_control(struct sock *sk, const struct msghdr *msg)
{
	__u64 at = (__u64)msg->msg_control, end = at + msg->msg_controllen;
	struct control_header header;

	for (int i = 0; i < CONTROL_MESSAGES; i++) {
		if (at + sizeof(header) > end)
			return false;
		if (bpf_probe_read_kernel(&header, sizeof(header), (void *)at) ||
		    is_source_route(header.level, header.type))
			break;
		if (header.level == SOL_SCTP && (header.type == SCTP_DSTADDRV4 || header.type == SCTP_DSTADDRV6) &&
		    denies_further_address(sk, msg, header.type, at + sizeof(header)))
			return true;
		/* The protocol refuses a message that is shorter than its header. */
		if (header.length < sizeof(header) || header.length > end - at)
			return false;
		at += (header.length + 7) & ~7ULL;
	}
	return judge_opening(SOCKET_SOURCE_ROUTE, sk->sk_protocol);
}

#define SCTP_ADDRESSES 8

/* A list of addresses without gaps: each as long as its family says. Anything else is refused. */
static __always_inline bool denies_sctp_addresses(struct sock *sk, int option, struct sockaddr *address, int length)
{
	__u64 at = (__u64)address, end;

	if (is_kernel_socket(sk) || option == SCTP_SOCKOPT_BINDX_ADD || option == SCTP_SET_PEER_PRIMARY_ADDR)
		return false;
	if (length <= 0)
		return false;
	end = at + length;
	for (int i = 0; i < SCTP_ADDRESSES; i++) {
		struct flow flow = { .operation = OPERATION_CONNECT };
		__u16 family = 0;

		if (at >= end)
			return false;
		bpf_probe_read_kernel(&family, sizeof(family), (void *)at);
		if (!flow_from_sockaddr(&flow, (void *)at, end - at, AF_UNSPEC))
			break;
		flow_set_protocol(&flow, sk);
		if (judge_flow(0, &flow))
			return true;
		at += family == AF_INET ? 16 : 28;
	}
	return judge_opening(SOCKET_OTHER, IPPROTO_SCTP);
}

#endif
