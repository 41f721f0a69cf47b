/* SPDX-License-Identifier: GPL-2.0 */
/* Every hook turns its arguments into a struct flow; nothing after it looks at a sockaddr again. */
#ifndef BOUHEKI_FLOW_H
#define BOUHEKI_FLOW_H

#include "maps.bpf.h"

#include <stddef.h>

/* Inside the kernel side only: judged in case the destination is this one, see denies_unspecified_send(). */
#define OPERATION_GUESS 15

struct flow {
	__u64 high; /* IPv6 address in host order, upper half */
	__u64 low;  /* lower half; IPv4 address in host order */
	__u16 port; /* host order */
	__u16 protocol;
	__u8 family; /* 4 or 6 */
	__u8 operation;
	bool probe; /* nothing but the address counts: see is_probe() */
	bool first; /* of a datagram: it is to be kept that this end spoke, see hook/reply.bpf.h */
#ifndef LEGACY
	bool again;   /* of a datagram: its socket has sent equal ones, which are counted, see hook/repeat.bpf.h */
	__u64 socket; /* of a datagram: socket_number(), or 0 */
#endif
};

#define FLOW_REST 16
#define FLOW_OPERATION (0xffULL << 40)
#define FLOW_FIRST (0xffULL << 56)
_Static_assert(offsetof(struct flow, port) == FLOW_REST && FLOW_REST % 8 == 0, "the rest is one number");
_Static_assert(offsetof(struct flow, operation) == FLOW_REST + 5 && offsetof(struct flow, first) == FLOW_REST + 7,
	       "of which these are bytes");

/* A flow in three numbers, because a global function takes no pointers before 5.12: both halves of its address, and
 * this. */
static __always_inline __u64 rest_of_flow(const struct flow *flow)
{
	__u64 rest;

	/* All of it in one read: the port is in the lowest bits. */
	__builtin_memcpy(&rest, (const char *)flow + FLOW_REST, sizeof(rest));
	return rest & ~FLOW_FIRST;
}

static __always_inline struct flow flow_of_numbers(__u64 high, __u64 low, __u64 rest)
{
	return (struct flow){
		.high = high,
		.low = low,
		.port = rest,
		.protocol = rest >> 16,
		.family = rest >> 32,
		.operation = rest >> 40,
		.probe = rest >> 48 & 1,
	};
}

/* Shorter addresses are refused by the kernel itself (net/ipv4/af_inet.c, net/ipv6/af_inet6.c: SIN6_LEN_RFC2133). */
#define ADDRLEN_IPV4 16
#define ADDRLEN_IPV6 24
#define ADDRLEN_IPV6_FULL 28 /* with the scope */

static __always_inline void flow_set_ipv4(struct flow *flow, __u32 address, __u16 port)
{
	flow->family = 4;
	flow->high = 0;
	flow->low = bpf_ntohl(address);
	/* Connecting to 0.0.0.0 reaches this host. */
	if (!flow->low)
		flow->low = 0x7f000001;
	flow->port = bpf_ntohs(port);
}

static __always_inline void flow_set_ipv6(struct flow *flow, const __u32 *address, __u16 port)
{
	__u64 high = (__u64)bpf_ntohl(address[0]) << 32 | bpf_ntohl(address[1]);
	__u64 low = (__u64)bpf_ntohl(address[2]) << 32 | bpf_ntohl(address[3]);

	/* ::ffff:a.b.c.d goes out as IPv4. */
	if (!high && low >> 32 == 0xffff) {
		flow_set_ipv4(flow, address[3], port);
		return;
	}
	flow->family = 6;
	flow->high = high;
	flow->low = !high && !low ? 1 : low;
	flow->port = bpf_ntohs(port);
}

/* What leaves the host: MPTCP and SMC both put TCP on the wire. */
static __always_inline __u16 flow_protocol(const struct sock *sk)
{
	__u16 protocol = sk->sk_protocol;

	/* Nearly all, and AF_SMC has no protocol of these numbers: one read less. */
	if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP)
		return protocol;
	if (protocol == IPPROTO_MPTCP || protocol == IPPROTO_SMC || sk->__sk_common.skc_family == AF_SMC)
		return IPPROTO_TCP;
	return protocol;
}

static __always_inline bool protocol_has_ports(__u16 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_UDPLITE || protocol == IPPROTO_DCCP;
}

static __always_inline void flow_set_protocol_number(struct flow *flow, __u16 protocol)
{
	flow->protocol = protocol;
	if (!protocol_has_ports(protocol))
		flow->port = 0;
}

static __always_inline void flow_set_protocol(struct flow *flow, const struct sock *sk)
{
	flow_set_protocol_number(flow, flow_protocol(sk));
}

/* In-kernel sockets (NFS, tunnels) are never judged: a denial can put their owner into an endless retry. */
static __always_inline bool is_kernel_socket(const struct sock *sk)
{
	return BPF_CORE_READ_BITFIELD(sk, sk_kern_sock);
}

/*
 * The destination named by a sockaddr in kernel memory. False when there is none to judge: too short, or of a family
 * that the socket's own protocol will refuse. AF_UNSPEC is taken for the family `unspec`. A function of its own, so
 * that it takes no room on the stack of the callers, which judge afterwards.
 */
static __noinline __attribute__((unused)) bool flow_from_sockaddr(struct flow *flow, const void *address, int length,
								  __u16 unspec)
{
	__u32 raw[7] = {};
	__u16 family;

	if (length < ADDRLEN_IPV4 || bpf_probe_read_kernel(raw, ADDRLEN_IPV4, address))
		return false;
	family = (__u16)raw[0];
	if (family == AF_UNSPEC)
		family = unspec;
	if (family == AF_INET) {
		flow_set_ipv4(flow, raw[1], raw[0] >> 16);
		return true;
	}
	if (family != AF_INET6 || length < ADDRLEN_IPV6 || bpf_probe_read_kernel(raw, ADDRLEN_IPV6, address))
		return false;
	flow_set_ipv6(flow, &raw[2], raw[0] >> 16);
	return true;
}

/* The peer that a connected socket keeps. False when it has none. */
static __always_inline bool flow_from_peer(struct flow *flow, const struct sock *sk)
{
	__u16 port = sk->__sk_common.skc_dport;
	__u16 family = sk->__sk_common.skc_family;

	if (family == AF_INET) {
		__u32 address = sk->__sk_common.skc_daddr;

		if (!address)
			return false;
		flow_set_ipv4(flow, address, port);
		return true;
	}
	if (family == AF_INET6) {
		__u32 address[4];

		for (int i = 0; i < 4; i++)
			address[i] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[i];
		if (!(address[0] | address[1] | address[2] | address[3]))
			return false;
		flow_set_ipv6(flow, address, port);
		return true;
	}
	return false;
}

/* Everything but the time, all of it: it may be the key of a map. */
static __always_inline void describe(struct connection *connection, struct flow *flow, struct subject *subject,
				     __u32 generation, __u32 box)
{
	connection->kind = RECORD_CONNECTION;
	connection->operation = flow->operation;
	connection->family = flow->family;
	__builtin_memset(connection->pad, 0, sizeof(connection->pad));
	connection->process = subject->process;
	if (flow->family != 6) {
		((__u32 *)connection->address)[0] = bpf_htonl((__u32)flow->low);
		((__u32 *)connection->address)[1] = 0;
		((__u64 *)connection->address)[1] = 0;
	} else {
		((__u64 *)connection->address)[0] = bpf_cpu_to_be64(flow->high);
		((__u64 *)connection->address)[1] = bpf_cpu_to_be64(flow->low);
	}
	connection->uid = subject->uid;
	connection->euid = subject->euid;
	connection->fsuid = subject->fsuid;
	connection->gid = subject->gid;
	connection->egid = subject->egid;
	connection->fsgid = subject->fsgid;
	connection->pid = subject->pid;
	connection->box = box;
	connection->port = flow->port;
	connection->protocol = flow->protocol;
	connection->generation = generation;
	__builtin_memcpy(connection->comm, subject->comm, COMM_SIZE);
}

#endif
