/* SPDX-License-Identifier: GPL-2.0 */
/* connect(): where a connection begins, or a datagram socket gets its peer. */
#ifndef BOUHEKI_CONNECT_H
#define BOUHEKI_CONNECT_H

#include "reply.bpf.h"

static __always_inline bool denies_connect(struct socket *sock, struct sockaddr *address, int addrlen)
{
	struct sock *sk = sock->sk;
	struct flow flow = {};
	bool stream;

	if (!sk || is_kernel_socket(sk))
		return false;
	/* By far the most, and read without a helper. */
	if (addrlen >= ADDRLEN_IPV4 && address->sa_family == AF_INET) {
		struct sockaddr_in *ipv4 = (struct sockaddr_in *)address;

		flow_set_ipv4(&flow, ipv4->sin_addr.s_addr, ipv4->sin_port);
	} else if (!flow_from_sockaddr(&flow, address, addrlen, AF_UNSPEC)) {
		/* It loses its peer. */
		if (addrlen >= (int)sizeof(address->sa_family) && address->sa_family == AF_UNSPEC)
			forget_peer(socket_key(sk));
		return false;
	}
	flow_set_protocol(&flow, sk);
	/* Nothing leaves at the connect() of what has no connections. */
	flow.operation = flow.protocol == IPPROTO_UDP || sk->sk_type == SOCK_DGRAM || sk->sk_type == SOCK_RAW
				 ? OPERATION_INTENT
				 : OPERATION_CONNECT;
	/* A server that makes a client its peer. Without a port of its own it has received nothing. */
	if (sk->__sk_common.skc_num && has_conversations(flow.protocol) && is_reply(socket_number(sock), &flow)) {
		forget_peer(socket_key(sk));
		return false;
	}
	/* The kernel refuses a connection that is there another peer: it keeps the one it has. */
	stream = is_stream(sk, sk->sk_type);
	return judge_flow(stream && has_peer(sk) ? 0 : socket_key(sk), &flow);
}

#endif
