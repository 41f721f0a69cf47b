/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who spoke first. A conversation is between a UDP socket and one of its peers; its first datagram opens it, and it is
 * over when nothing was said for a while. What a socket says in one that its peer has opened is a reply: neither egress
 * nor judged, as a send on an accepted connection is not. What it says in its own is judged each time.
 */
#ifndef BOUHEKI_TALK_H
#define BOUHEKI_TALK_H

#include "../flow.bpf.h"

/* As a name server takes at most for an answer, or a client of QUIC for its next sign of life. */
#define CONVERSATION_NANOSECONDS (60ULL * 1000000000)

/* A word that is said so soon after another one changes nothing, and is not kept. */
#define FRESH_NANOSECONDS 1000000000ULL

#define ANSWERER_BITS 16

/* In the lowest bit of the time of the last word. */
#define OPENED_HERE 1

/*
 * The number of a socket, which no other one has while it exists; sockets get theirs from a counter of 32 bits, so the
 * next one that has it is four billion sockets away. 0: not known.
 */
static __always_inline __u64 socket_number(const void *sock)
{
	struct socket_alloc *whole = (void *)sock;

	return sock ? BPF_CORE_READ(whole, vfs_inode.i_ino) : 0;
}

/* Port and family of a peer in one number, for functions that take numbers only. */
static __always_inline __u64 port_of(const struct flow *flow)
{
	return flow->port | (__u64)flow->family << 32;
}

/* The last word may be a later one of another processor. */
static __always_inline bool is_within(__u64 last, __u64 now, __u64 nanoseconds)
{
	return last && (__s64)(now - last) < (__s64)nanoseconds;
}

static __always_inline bool has_conversations(__u16 protocol)
{
	return protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE;
}

/* How a socket stands to a peer. */
enum talk {
	TALK_NONE = 0,
	TALK_OPENED_THERE = 1,
	TALK_OPENED_HERE = 2,
	TALK_FRESH = 4, /* besides: one more word need not be kept */
};

/* These are functions of their own so that their keys take no room on the stack of the callers. */
__noinline int talk_with(__u64 socket, __u64 high, __u64 low, __u64 port)
{
	struct conversation_key key = {.socket = socket, .high = high, .low = low, .port = port};
	__u64 *last = bpf_map_lookup_elem(&conversations, &key), now = bpf_ktime_get_ns();

	if (!socket || !last || !is_within(*last, now, CONVERSATION_NANOSECONDS))
		return TALK_NONE;
	return (*last & OPENED_HERE ? TALK_OPENED_HERE : TALK_OPENED_THERE) |
	       (is_within(*last, now, FRESH_NANOSECONDS) ? TALK_FRESH : 0);
}

__noinline int keep_word(__u64 socket, __u64 high, __u64 low, __u64 port, __u64 opened_here)
{
	struct conversation_key key = {.socket = socket, .high = high, .low = low, .port = port};
	__u64 word = (bpf_ktime_get_ns() & ~(__u64)OPENED_HERE) | opened_here;
	__u64 *last = bpf_map_lookup_elem(&conversations, &key);

	if (last)
		*last = word;
	else if (socket)
		bpf_map_update_elem(&conversations, &key, &word, BPF_ANY);
	return 0;
}

static __always_inline bool is_reply(__u64 socket, const struct flow *flow)
{
	return talk_with(socket, flow->high, flow->low, port_of(flow)) & TALK_OPENED_THERE;
}

/*
 * Sockets whose peers have opened a conversation at any time, and those that share a place with one. A client's are
 * none, so its connect() needs no look at the conversations.
 */
bool answerers[1 << ANSWERER_BITS];

/* `place`: a number that is spread over all bits, of the socket. */
static __always_inline bool *answerer_at(__u64 place)
{
	return &answerers[place >> (64 - ANSWERER_BITS)];
}

static __always_inline void hear(__u64 socket, __u64 place, const struct flow *from)
{
	int talk = talk_with(socket, from->high, from->low, port_of(from));

	if (!socket || talk & TALK_FRESH)
		return;
	/* Before the word: who sees the one sees the other. */
	if (!(talk & TALK_OPENED_HERE))
		*answerer_at(place) = true;
	keep_word(socket, from->high, from->low, port_of(from), talk & TALK_OPENED_HERE ? OPENED_HERE : 0);
}

#endif
