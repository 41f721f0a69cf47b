/* SPDX-License-Identifier: GPL-2.0 */
/* What is remembered of connected sockets, so that a send costs next to nothing and a new policy still reaches it. */
#ifndef BOUHEKI_SOCKET_H
#define BOUHEKI_SOCKET_H

#include "flow.bpf.h"

static __always_inline __u32 current_pid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

/* 0 when the socket has no file yet: then nothing is remembered. */
static __always_inline __u64 socket_inode(const struct socket *sock)
{
	struct file *file = sock->file;
	struct inode *inode = file ? file->f_inode : 0;

	return inode ? inode->i_ino : 0;
}

static __always_inline struct socket_slot *slot_of(__u64 socket)
{
	__u32 key = socket & (SOCKET_SLOTS - 1);

	return bpf_map_lookup_elem(&sockets, &key);
}

static __always_inline void remember_peer(__u64 socket, __u64 generation, bool sent)
{
	struct socket_slot *slot = slot_of(socket);

	if (!slot)
		return;
	slot->generation = 0;
	slot->socket = socket;
	slot->pid = current_pid();
	slot->sent = sent;
	slot->generation = generation;
}

static __always_inline void forget_peer(__u64 socket)
{
	struct socket_slot *slot = slot_of(socket);

	if (slot && slot->socket == socket)
		slot->generation = 0;
}

enum peer_state {
	PEER_UNKNOWN,		/* judge */
	PEER_NEW,		/* allowed at connect(), and this is the first send */
	PEER_KNOWN,		/* allowed, for this process, under this policy */
};

static __always_inline enum peer_state peer_state(__u64 socket)
{
	struct socket_slot *slot = slot_of(socket);

	if (!slot || slot->socket != socket || slot->generation != control.generation || slot->pid != current_pid())
		return PEER_UNKNOWN;
	return slot->sent ? PEER_KNOWN : PEER_NEW;
}

static __always_inline void remember_verdict(struct sock *sk)
{
	struct socket_verdict *verdict = bpf_sk_storage_get(&socket_verdicts, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!verdict) {
		count(LOST_SOCKET);
		return;
	}
	verdict->generation = control.generation;
	verdict->pid = current_pid();
}

#endif
