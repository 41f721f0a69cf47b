/* SPDX-License-Identifier: GPL-2.0 */
/* What is remembered of connected sockets, so that a send costs next to nothing and a new policy still reaches it. */
#ifndef BOUHEKI_SOCKET_H
#define BOUHEKI_SOCKET_H

#include "flow.bpf.h"

static __always_inline __u32 current_pid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

static __always_inline __u32 current_generation(void)
{
	return control.version;
}

/* 0 when the socket has no file yet: then nothing is remembered. Reading through NULL gives 0 here, not a fault. */
static __always_inline __u64 socket_inode(const struct socket *sock)
{
	return sock->file->f_inode->i_ino;
}

enum peer {
	PEER_NEW = 1,		/* allowed at connect(), nothing sent yet */
	PEER_DATAGRAM = 2,	/* allowed to send */
	PEER_STREAM = 3,
};

/* The state of a slot that was written under this generation by this process: all that a hook has to compare. */
static __always_inline __u64 peer_of(enum peer peer, __u32 generation, __u32 pid)
{
	return (__u64)generation << 34 | (__u64)pid << 2 | peer;
}

static __always_inline struct socket_slot *slot_of(__u64 socket)
{
	return &sockets[socket & (SOCKET_SLOTS - 1)];
}

static __always_inline __u64 peer_state(__u64 socket)
{
	struct socket_slot *slot = slot_of(socket);

	return slot->socket == socket ? slot->state : 0;
}

static __always_inline void remember_peer(__u64 socket, __u64 state)
{
	struct socket_slot *slot = slot_of(socket);

	if (!socket)
		return;
	slot->state = 0;
	slot->socket = socket;
	slot->state = state;
}

static __always_inline void forget_peer(__u64 socket)
{
	struct socket_slot *slot = slot_of(socket);

	if (slot->socket == socket)
		slot->state = 0;
}

static __always_inline void remember_verdict(struct sock *sk, __u32 generation, __u32 pid)
{
	struct socket_verdict *verdict = bpf_sk_storage_get(&socket_verdicts, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!verdict) {
		count(LOST_SOCKET);
		return;
	}
	verdict->generation = generation;
	verdict->pid = pid;
}

#endif
