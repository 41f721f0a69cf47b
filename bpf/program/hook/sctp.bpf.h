/* SPDX-License-Identifier: GPL-2.0 */
/* Lists of addresses that an association is to reach. */
#ifndef BOUHEKI_SCTP_H
#define BOUHEKI_SCTP_H

#include "../judge.bpf.h"

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
		struct flow flow = {.operation = OPERATION_CONNECT};
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
