/* SPDX-License-Identifier: GPL-2.0 */
/* Where what is known of a thread group is kept, on kernels with task storage and without. */
#ifndef BOUHEKI_IMAGE_H
#define BOUHEKI_IMAGE_H

#include "file-object.bpf.h"

#ifndef LEGACY
static __always_inline struct identity *find_identity(struct task_struct *leader, bool create)
{
	return bpf_task_storage_get(&identities, leader, 0, create ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
}
#else
static __always_inline struct identity *find_identity(struct task_struct *leader, bool create)
{
	static const struct image empty;
	struct leader_key key = {.started = READ(leader, start_boottime), .pid = READ(leader, tgid)};
	struct identity *found = bpf_map_lookup_elem(&identities, &key);

	if (found || !create)
		return found;
	bpf_map_update_elem(&identities, &key, &empty, BPF_ANY);
	return bpf_map_lookup_elem(&identities, &key);
}
#endif

static __always_inline struct identity *identity_of(struct task_struct *leader, bool create)
{
	struct identity *found = find_identity(leader, create);

	if (!found && create)
		count(LOST_IDENTITY);
	return found;
}

/* What follows the identity. */
static __always_inline struct lineage *lineage_of(struct identity *identity)
{
	return &((struct image *)identity)->lineage;
}

#endif
