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

/* What a control message comes to: its length with the padding, 0 where none follows, and one of these. */
#define CONTROL_ROUTES (1ULL << 63)
#define CONTROL_ADDRESS4 (1ULL << 62)
#define CONTROL_ADDRESS6 (1ULL << 61)
#define CONTROL_LENGTH (CONTROL_ADDRESS6 - 1)

/*
 * A further address of the peer of an SCTP association, which no other hook is shown. It shares the port of the first,
 * which the message names. A function of its own for the verifier, as the next one: it is called in a loop.
 */
__noinline int denies_further_address(__u64 name, __u32 ipv4, __u64 at, __u32 protocol)
{
	struct flow flow = {.operation = OPERATION_CONNECT};
	__u32 address[4] = {};
	__u16 port = 0;

	bpf_probe_read_kernel(&port, sizeof(port), (void *)name + 2);
	if (ipv4) {
		bpf_probe_read_kernel(address, 4, (void *)at);
		flow_set_ipv4(&flow, address[0], port);
	} else {
		bpf_probe_read_kernel(address, 16, (void *)at);
		flow_set_ipv6(&flow, address, port);
	}
	flow_set_protocol_number(&flow, protocol);
	return judge_flow(0, &flow);
}

/* One control message of those up to `end`: CONTROL_*. */
__noinline __u64 read_control(__u64 at, __u64 end)
{
	struct control_header header;
	__u64 address = 0;

	if (at + sizeof(header) > end)
		return 0;
	if (bpf_probe_read_kernel(&header, sizeof(header), (void *)at) || is_source_route(header.level, header.type))
		return CONTROL_ROUTES;
	if (header.level == SOL_SCTP && header.type == SCTP_DSTADDRV4)
		address = CONTROL_ADDRESS4;
	else if (header.level == SOL_SCTP && header.type == SCTP_DSTADDRV6)
		address = CONTROL_ADDRESS6;
	/* The protocol refuses a message that is shorter than its header. */
	if (header.length < sizeof(header) || header.length > end - at)
		return address;
	return address | (((header.length + 7) & ~7ULL) & CONTROL_LENGTH);
}

/*
 * Control messages that route by the source or name a destination. More messages than are looked at count as ones
 * that route.
 */
static __always_inline bool denies_control(struct sock *sk, const struct msghdr *msg)
{
	/* Read as numbers: a typed pointer can't be given to those functions. */
	__u64 at = (__u64)BPF_CORE_READ(msg, msg_control), end = at + msg->msg_controllen;
	__u64 name = (__u64)BPF_CORE_READ(msg, msg_name);
	__u32 protocol = flow_protocol(sk);

	for (int i = 0; i < CONTROL_MESSAGES; i++) {
		__u64 read = read_control(at, end);

		if (read & CONTROL_ROUTES)
			break;
		if (read & (CONTROL_ADDRESS4 | CONTROL_ADDRESS6) &&
		    denies_further_address(name, !!(read & CONTROL_ADDRESS4), at + sizeof(struct control_header),
					   protocol))
			return true;
		if (!(read & CONTROL_LENGTH))
			return false;
		at += read & CONTROL_LENGTH;
	}
	return judge_opening(SOCKET_SOURCE_ROUTE, sk->sk_protocol);
}

#endif
