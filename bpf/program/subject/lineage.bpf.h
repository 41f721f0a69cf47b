/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which processes an image descends from, the nearest first. Who forked is noted at fork and becomes the first of them
 * at exec, so that a parent that has gone meanwhile is still reported, and not the one that the kernel put in its
 * place.
 */
#ifndef BOUHEKI_LINEAGE_H
#define BOUHEKI_LINEAGE_H

#include "image.bpf.h"

static __always_inline void keep_executable(struct ancestor *ancestor, const struct identity *identity)
{
	if (identity->path_length - 1 < ANCESTOR_PATH_SIZE) {
		ancestor->flags = identity->flags & (PROCESS_PRIMED | PROCESS_PATH_NAMES);
		__builtin_memcpy(ancestor->path, identity->path, ANCESTOR_PATH_SIZE);
	} else {
		ancestor->flags = identity->flags & PROCESS_PRIMED;
		__builtin_memset(ancestor->path, 0, ANCESTOR_PATH_SIZE);
	}
}

/*
 * The ancestors as the kernel has them now, as far as none is found that knows its own; `ancestors` is all zero. For
 * images of whose process we have not seen the fork.
 */
static __always_inline void find_ancestors(struct ancestor *ancestors, struct task_struct *leader)
{
#pragma unroll
	for (int i = 0; i < ANCESTORS; i++) {
		struct task_struct *parent = READ(leader, real_parent);
		struct identity *identity;
		struct lineage *lineage;

		leader = parent ? READ(parent, group_leader) : 0;
		if (!leader || !READ(leader, tgid))
			return;
		ancestors[i].started = READ(leader, start_boottime);
		ancestors[i].pid = READ(leader, tgid);
		bpf_probe_read_kernel(ancestors[i].comm, COMM_SIZE, &leader->comm);
		identity = find_identity(leader, false);
		if (!identity)
			continue;
		keep_executable(&ancestors[i], identity);
		lineage = lineage_of(identity);
		if (!lineage->ancestors[0].pid)
			continue;
#pragma unroll
		for (int j = i + 1; j < ANCESTORS; j++)
			ancestors[j] = lineage->ancestors[j - i - 1];
		return;
	}
}

/* At exec, while the identity is still that of the image before. The thread that executes has become the leader. */
static __always_inline void remember_ancestors(struct identity *identity, struct task_struct *leader)
{
	struct lineage *lineage = lineage_of(identity);

	if (lineage->maker_pid) {
		lineage->ancestors[2] = lineage->ancestors[1];
		lineage->ancestors[1] = lineage->ancestors[0];
		lineage->ancestors[0].started = lineage->maker_started;
		lineage->ancestors[0].pid = lineage->maker_pid;
		__builtin_memcpy(lineage->ancestors[0].comm, lineage->maker_comm, COMM_SIZE);
		keep_executable(&lineage->ancestors[0], identity);
		lineage->maker_pid = 0;
	} else if (!lineage->ancestors[0].pid) {
		find_ancestors(lineage->ancestors, leader);
	}
}

/* At fork, when the child has what its parent has. `maker` is the leader of the thread group that forks. */
static __always_inline void remember_maker(struct identity *identity, struct task_struct *maker)
{
	struct lineage *lineage = lineage_of(identity);

	lineage->maker_started = maker->start_boottime;
	lineage->maker_pid = maker->tgid;
	bpf_probe_read_kernel(lineage->maker_comm, COMM_SIZE, &maker->comm);
}

#endif
