/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What sendfile() and splice() send on a UDP socket. Before Linux 6.5 the pages go to the protocol by a way of their
 * own (udp_sendpage), which asks no hook of sockets; there connect() would be the last that is heard of it, and it is
 * no verdict on a port. All of these calls ask for the permission to write to the file. Sockets of IPv6 have no such
 * way.
 */
#ifndef BOUHEKI_PAGE_H
#define BOUHEKI_PAGE_H

#include "reply.bpf.h"

/* As socket_key(), of a number. */
static __always_inline __u64 key_of_number(__u64 sk)
{
	const void *volatile kept = sockets;
	__u64 start = 0;

	bpf_probe_read_kernel(&start, sizeof(start), (const void *)&kept);
	return sk - start;
}

/* A socket that is read from memory: the file does not show its type to the verifier. */
static __always_inline bool denies_pages_of(const struct socket *sock)
{
	struct sock *sk = BPF_CORE_READ(sock, sk);
	struct flow flow = {.operation = OPERATION_SEND};
	__u32 address;
	__u64 key;

	if (!sk || BPF_CORE_READ(sk, __sk_common.skc_family) != AF_INET || BPF_CORE_READ(sk, sk_type) != SOCK_DGRAM)
		return false;
	key = key_of_number((__u64)sk);
	if (peer_state(key) == peer_of(PEER_DATAGRAM, current_generation(), current_pid()))
		return false;
	address = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	if (BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock))
		return false;
	flow.protocol = BPF_CORE_READ(sk, sk_protocol);
	/* As goes_nowhere(). */
	if (!address || BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_ESTABLISHED)
		return has_conversations(flow.protocol) && blocks() && !BPF_CORE_READ((struct udp_sock *)sk, pending);
	flow_set_ipv4(&flow, address, BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (!protocol_has_ports(flow.protocol))
		flow.port = 0;
	return denies_datagram(key, sock, &flow);
}

static __always_inline bool denies_pages(const struct file *file, int mask)
{
	return mask & MAY_WRITE && (file->f_inode->i_mode & S_IFMT) == S_IFSOCK && denies_pages_of(file->private_data);
}

#endif
