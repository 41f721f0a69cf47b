/* SPDX-License-Identifier: GPL-2.0 */
/* Control messages of a send that name a destination or route by the source. */
#ifndef BOUHEKI_CONTROL_H
#define BOUHEKI_CONTROL_H

#include "open.bpf.h"

#define CONTROL_MESSAGES 8

struct control_header {
	__u64 length;
	int level;
	int type;
};

/* A further address of the peer of an SCTP association, which no other hook is shown. It shares the port of the first.
 */
static __always_inline bool denies_further_address(struct sock *sk, const struct msghdr *msg, int type, __u64 at)
{
	struct flow flow = {.operation = OPERATION_CONNECT};
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

#endif
