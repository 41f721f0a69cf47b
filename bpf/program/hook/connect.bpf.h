/* SPDX-License-Identifier: GPL-2.0 */
/* connect(): where a connection begins, or a datagram socket gets its peer. */
#ifndef BOUHEKI_CONNECT_H
#define BOUHEKI_CONNECT_H

#include "reply.bpf.h"

/* Whether another thread or process, or the kernel for one of them, uses a socket now, or has a descriptor of it. */
static __always_inline bool is_shared(const struct socket *sock)
{
	struct task_struct *task = current_task();
	struct file *file = BPF_CORE_READ(sock, file);
	struct file___ref *newer = (void *)file;
	/* A process with threads holds one more for as long as a system call takes (fdget() in fs/file.c). */
	long own = BPF_CORE_READ(task, files, count.counter) > 1 ? 2 : 1;

	if (!file)
		return true;
	if (bpf_core_field_exists(newer->f_ref))
		return BPF_CORE_READ(newer, f_ref.refcnt.counter) + 1 != own;
	return BPF_CORE_READ(file, f_count.counter) != own;
}

/*
 * Whether a connect() that sends nothing may be judged by its address alone, as that of glibc's getaddrinfo(), which
 * only asks for a route. A send is judged by the peer that its socket has before it; so that no other peer takes its
 * place behind the verdict, the socket must have had none, and nobody else may be about to send. What comes later finds
 * nothing that is remembered of it.
 */
static __always_inline bool is_probe(const struct socket *sock, const struct sock *sk)
{
	return sk->__sk_common.skc_state != TCP_ESTABLISHED && !is_shared(sock);
}

/* A datagram socket gets its peer, and nothing leaves yet. */
static __always_inline bool denies_intent(const struct socket *sock, const struct sock *sk, struct flow *flow)
{
	__u64 key = socket_key(sk), sum = mixed(key);

	forget_peer_at(key, sum);
	flow->operation = OPERATION_INTENT;
	flow->probe = is_probe(sock, sk);
	/* A server that makes a client its peer. */
	if (has_conversations(flow->protocol) && *answerer_at(sum) && is_reply(socket_number(sock), flow)) {
		forget_peer_at(key, sum);
		return false;
	}
	return judge_flow(key, flow);
}

static __always_inline bool denies_connect(struct socket *sock, struct sockaddr *address, int addrlen)
{
	struct sock *sk = sock->sk;
	struct flow flow = {};

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
	if (flow.protocol == IPPROTO_UDP || sk->sk_type == SOCK_DGRAM || sk->sk_type == SOCK_RAW)
		return denies_intent(sock, sk, &flow);
	flow.operation = OPERATION_CONNECT;
	/* The kernel refuses a connection that is there another peer: it keeps the one it has. */
	return judge_flow(is_stream(sk, sk->sk_type) && has_peer(sk) ? 0 : socket_key(sk), &flow);
}

#endif
