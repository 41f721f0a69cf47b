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

/*
 * 1 when the caller must get -EPERM. `connected` is the socket's inode if it keeps this peer, else 0. A flow in three
 * numbers, because a global function of Linux 5.10 takes no pointers.
 */
__noinline int judge(__u64 connected, __u64 high, __u64 low, __u64 rest)
{
	__u64 generation = control.generation;
	__u32 side = generation & 1;
	__u32 flags = control.flags[side], box = NO_BOX, event = 0;
	struct flow flow = {
		.high = high,
		.low = low,
		.port = rest,
		.protocol = rest >> 16,
		.family = rest >> 32,
		.operation = rest >> 40,
	};
	struct subject *subject;
	struct tables *tables;
	bool denied = false;

	if (is_canary(&flow))
		return 1;
	if (!(flags & (SIDE_POLICY | SIDE_RECORD)))
		return 0;
	subject = current_subject(generation);
	tables = bpf_map_lookup_elem(&policy, &side);
	if (!subject || !tables)
		return (flags & (SIDE_POLICY | SIDE_BLOCK)) == (SIDE_POLICY | SIDE_BLOCK);
	if (subject->flags & PROCESS_IN_CONTAINER)
		event |= CONNECTION_IN_CONTAINER;
	else if (flags & SIDE_CONTAINERS)
		return 0;
	if (flags & SIDE_POLICY) {
		event |= CONNECTION_JUDGED;
		box = flow.operation == OPERATION_OPEN ? decide_socket(subject, flow.port, side) :
							 decide(&flow, subject, side);
		/* NO_BOX is above every number of deny boxes, and also a denial. */
		denied = box == NO_BOX || box < tables->deny_boxes;
	}
	if (denied && flags & SIDE_BLOCK)
		event |= CONNECTION_BLOCKED;
	if (denied || flags & SIDE_RECORD)
		report(&flow, subject, generation, box, denied, event);
	if (connected) {
		if (event & CONNECTION_BLOCKED)
			forget_peer(connected);
		else
			remember_peer(connected, &flow, generation, flow.operation == OPERATION_SEND);
	}
	return !!(event & CONNECTION_BLOCKED);
}

static __always_inline bool judge_flow(__u64 connected, const struct flow *flow)
{
	return judge(connected, flow->high, flow->low,
		     flow->port | (__u64)flow->protocol << 16 | (__u64)flow->family << 32 |
			     (__u64)flow->operation << 40);
}

static __always_inline bool judge_opening(enum socket_kind kind, __u16 protocol)
{
	struct flow flow = { .operation = OPERATION_OPEN, .port = kind, .protocol = protocol };

	return judge_flow(0, &flow);
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

/* Whether a control message routes by the source. More messages than are looked at count as one that does. */
static __always_inline bool routes_source(const struct msghdr *msg)
{
	__u64 at = (__u64)msg->msg_control, end = at + msg->msg_controllen;

	for (int i = 0; i < CONTROL_MESSAGES; i++) {
		struct control_header header;

		if (at + sizeof(header) > end)
			return false;
		if (bpf_probe_read_kernel(&header, sizeof(header), (void *)at))
			return true;
		if (is_source_route(header.level, header.type))
			return true;
		/* The protocol refuses a message that is shorter than its header. */
		if (header.length < sizeof(header) || header.length > end - at)
			return false;
		at += (header.length + 7) & ~7ULL;
	}
	return true;
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
