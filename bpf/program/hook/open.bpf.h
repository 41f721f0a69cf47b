/* SPDX-License-Identifier: GPL-2.0 */
/* Opening a socket, and setting an option by which it chooses its own path or writes its own headers. */
#ifndef BOUHEKI_OPEN_H
#define BOUHEKI_OPEN_H

#include "../judge.bpf.h"

/* The protocol that a socket of IPv4 or IPv6 gets: two types have one of their own, which need not be asked for. */
static __always_inline int inet_protocol(int type, int protocol)
{
	if (protocol != IPPROTO_IP)
		return protocol;
	return type == SOCK_SEQPACKET ? IPPROTO_SCTP : type == SOCK_DCCP ? IPPROTO_DCCP : IPPROTO_IP;
}

/* The kind of a socket of IPv4 or IPv6 that takes a permission of its own; 0: of one whose destinations hooks see. */
static __always_inline __u32 inet_socket_kind(int type, int protocol)
{
	if (type == SOCK_RAW)
		return SOCKET_RAW;
	if (protocol == IPPROTO_IP || protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP || protocol == IPPROTO_UDP ||
	    protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
		return 0;
	return SOCKET_OTHER;
}

/* Sockets that carry no IP traffic of their own choosing, and those whose destinations the other hooks see. */
static __always_inline bool denies_socket(int family, int type, int protocol)
{
	__u32 kind;

	/* The one family whose protocol is given in network order, an EtherType: 0x0800, not 8. */
	if (family == AF_PACKET)
		return judge_opening(SOCKET_PACKET, bpf_ntohs(protocol));
	if (family == AF_XDP)
		return judge_opening(SOCKET_PACKET, protocol);
	if (family == AF_UNIX || family == AF_NETLINK || family == AF_ALG)
		return false;
	if (family != AF_INET && family != AF_INET6)
		return judge_opening(SOCKET_OTHER, family);
	protocol = inet_protocol(type, protocol);
	kind = inet_socket_kind(type, protocol);
	return kind && judge_opening(kind, protocol);
}

/* The kind by which each use of such a socket is judged, see denies_kind(); 0 of all others. */
static __always_inline __u32 used_kind(int family, int type)
{
	if (family == AF_PACKET || family == AF_XDP)
		return SOCKET_PACKET;
	return type == SOCK_RAW && (family == AF_INET || family == AF_INET6) ? SOCKET_RAW : 0;
}

static __always_inline __u64 opened_under(__u32 generation, __u32 kind)
{
	return (__u64)generation << 32 | kind;
}

/*
 * A socket that is about to be made was let through, by one policy from beginning to end. Without this its first use
 * would be judged and recorded as one more opening.
 */
static __always_inline void note_opening(__u32 kind, __u32 generation)
{
	struct subject *subject;

	if (!kind || generation != current_generation())
		return;
	subject = cached_subject(current_task());
	if (subject)
		subject->opened = opened_under(generation, kind);
}

static __always_inline bool denies_new_socket(int family, int type, int protocol)
{
	__u32 generation = current_generation();

	if (denies_socket(family, type, protocol))
		return true;
	note_opening(used_kind(family, type), generation);
	return false;
}

/* That socket was made. One that no program has judged, or only by an older policy, is judged when it is used. */
static __always_inline void remember_opening(struct sock *sk, int family, int type)
{
	__u32 kind = used_kind(family, type), generation = current_generation();
	struct subject *subject;
	__u64 opened;

	if (!kind || !sk)
		return;
	subject = cached_subject(current_task());
	if (!subject)
		return;
	opened = subject->opened;
	subject->opened = 0;
	if (opened == opened_under(generation, kind))
		remember_peer(socket_key(sk), peer_of(PEER_OF_KIND, generation, current_pid()));
}

static __always_inline bool is_source_route(int level, int option)
{
	if (level == SOL_IP)
		return option == IP_OPTIONS || option == IP_RETOPTS;
	return level == SOL_IPV6 && (option == IPV6_RTHDR || option == IPV6_2292RTHDR ||
				     option == IPV6_2292PKTOPTIONS || option == IPV6_FLOWLABEL_MGR);
}

/* No hook needs the value of the option: clearing one is judged like setting it. */
static __always_inline bool denies_option_of(__u16 protocol, int level, int option)
{
	if ((level == SOL_IP && option == IP_HDRINCL) || (level == SOL_IPV6 && option == IPV6_HDRINCL))
		return judge_opening(SOCKET_RAW, protocol);
	return is_source_route(level, option) && judge_opening(SOCKET_SOURCE_ROUTE, protocol);
}

static __always_inline bool denies_option(const struct socket *sock, int level, int option)
{
	struct sock *sk = sock->sk;

	if (sk && is_source_route(level, option))
		look_at_each_send(sk);
	return sk && !is_kernel_socket(sk) && denies_option_of(sk->sk_protocol, level, option);
}

#endif
