/* SPDX-License-Identifier: GPL-2.0 */
/* Lists of addresses that an association is to reach. */
#ifndef BOUHEKI_SCTP_H
#define BOUHEKI_SCTP_H

#include "../judge.bpf.h"

#define SCTP_ADDRESSES 8

/*
 * One address of a list: the length it takes there, 0 where it is none that we know, -1 where it is denied. A function
 * of its own for the verifier: it is called in a loop.
 */
__noinline int sctp_address(__u64 at, __u32 left, __u32 protocol)
{
	struct flow flow = {.operation = OPERATION_CONNECT};
	__u16 family = 0;

	bpf_probe_read_kernel(&family, sizeof(family), (void *)at);
	if (!flow_from_sockaddr(&flow, (void *)at, left, AF_UNSPEC))
		return 0;
	flow_set_protocol_number(&flow, protocol);
	if (judge_flow(0, &flow))
		return -1;
	return family == AF_INET ? 16 : 28;
}

/* A list of addresses without gaps: each as long as its family says. Anything else is refused. */
static __always_inline bool denies_sctp_addresses(struct sock *sk, int option, struct sockaddr *address, int length)
{
	__u64 at = 0, end;
	__u32 protocol = flow_protocol(sk);

	if (is_kernel_socket(sk) || option == SCTP_SOCKOPT_BINDX_ADD || option == SCTP_SET_PEER_PRIMARY_ADDR)
		return false;
	if (length <= 0)
		return false;
	/* As a number: a typed pointer can't be given to that function. */
	bpf_probe_read_kernel(&at, sizeof(at), &address);
	end = at + length;
	for (int i = 0; i < SCTP_ADDRESSES; i++) {
		int taken;

		if (at >= end)
			return false;
		taken = sctp_address(at, end - at, protocol);
		if (taken < 0)
			return true;
		if (!taken)
			break;
		at += taken;
	}
	return judge_opening(SOCKET_OTHER, IPPROTO_SCTP);
}

#endif
