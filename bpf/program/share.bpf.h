/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shares of what records take: no user can fill a ring for all others. What is beyond a share is folded, equal
 * connections into one count, which the daemon collects; nothing is dropped uncounted.
 */
#ifndef BOUHEKI_SHARE_H
#define BOUHEKI_SHARE_H

#include "maps.bpf.h"
#include "subject/answering.bpf.h"
#include "subject/current.bpf.h"

static __always_inline struct share_key share_key_of(struct cred *cred, __u32 flags)
{
	struct share_key key = {.uid = answering_uid(cred), .container = flags & PROCESS_IN_CONTAINER};

	if (!key.uid)
		key.cgroup = current_cgroup();
	return key;
}

static __always_inline struct share *share_of(const struct share_key *key)
{
	static const struct share unused;
	struct share *share = bpf_map_lookup_elem(&shares, key);

	if (share)
		return share;
	bpf_map_update_elem(&shares, key, &unused, BPF_NOEXIST);
	return bpf_map_lookup_elem(&shares, key);
}

/*
 * A bucket that leaks by the clock, so that a daemon that reads slowly changes nothing. CPUs that ask at the same
 * moment may each get the last of it.
 */
static __always_inline bool take_share(const struct share_key *key, enum share_kind kind, __u32 bytes)
{
	__u64 cost = bytes * knobs.cost[kind], now = bpf_ktime_get_boot_ns(), due;
	struct share *share = share_of(key);

	if (!share)
		return false;
	due = share->due[kind];
	if (due < now)
		share->due[kind] = due = now;
	if (due + cost > now + knobs.burst[kind])
		return false;
	__sync_fetch_and_add(&share->due[kind], cost);
	return true;
}

/* Up to here every user has what there is of the ring of connections. */
static __always_inline bool is_crowded(void)
{
	return bpf_ringbuf_query(&connections, BPF_RB_AVAIL_DATA) > knobs.crowded;
}

static __always_inline struct fold *fold_of(const struct connection *key)
{
	struct fold *fold = bpf_map_lookup_elem(&folds, key), fresh = {};

	if (fold)
		return fold;
	fresh.first = bpf_ktime_get_boot_ns();
	bpf_map_update_elem(&folds, key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&folds, key);
}

static __always_inline struct share *share_in_epoch(const struct share_key *of, __u32 epoch)
{
	struct share_key key = *of;
	struct share *share = share_of(&key);

	if (share && share->epoch != epoch) {
		share->epoch = epoch;
		share->folds = 0;
		share->repeats = 0;
	}
	return share;
}

/* Destinations, names and processes are the caller's choice, so the room to tell them apart is part of its share. */
static __always_inline bool may_fold(const struct share_key *key, __u32 epoch)
{
	struct share *share = share_in_epoch(key, epoch);

	if (!share)
		return false;
	/* The few that CPUs add at the same moment don't matter: MAX_FOLDS is many shares. */
	if (share->folds >= SHARE_FOLDS)
		return false;
	share->folds++;
	return true;
}

/* Counts a connection; `key` is used up. */
static __always_inline void add_to_fold(struct connection *key, const struct share_key *share)
{
	__u8 denied = key->verdict, flags = key->flags & (CONNECTION_IN_CONTAINER | CONNECTION_BLOCKED);
	__u32 epoch = control.epoch;
	struct fold *fold;

	key->time = epoch;
	fold = bpf_map_lookup_elem(&folds, key);
	if (!fold && may_fold(share, epoch))
		fold = fold_of(key);
	if (!fold) {
		__builtin_memset(key, 0, sizeof(*key));
		key->kind = RECORD_EXCESS;
		key->verdict = denied;
		key->flags = flags;
		key->time = epoch;
		key->uid = share->uid;
		key->process = share->cgroup;
		fold = fold_of(key);
	}
	if (!fold) {
		count(denied ? LOST_DENIAL : LOST_CONNECTION);
		return;
	}
	__sync_fetch_and_add(&fold->count, 1);
	fold->last = bpf_ktime_get_boot_ns();
}

#endif
