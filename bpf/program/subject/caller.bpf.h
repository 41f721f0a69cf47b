/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The subject of the calling thread. Worked out once per thread and kept while program, credentials, name, cgroup and
 * policy stay the same; afterwards a connection costs one cache read.
 */
#ifndef BOUHEKI_CALLER_H
#define BOUHEKI_CALLER_H

#include "subject.bpf.h"
#include "../share.bpf.h"

/* Unlike a pid, never used twice: a thread group, what it executes, and where it runs. */
static __always_inline __u64 process_key(__u64 started, __u32 pid, __u64 exec, __u64 cgroup)
{
	__u64 key = started ^ (__u64)pid << 40;

	key = (key ^ exec) * 0x9e3779b97f4a7c15ULL;
	return (key ^ key >> 29 ^ cgroup) * 0xbf58476d1ce4e5b9ULL;
}

static __always_inline struct subject *subject_by_thread(struct task_struct *task)
{
	static const struct subject empty;
	__u32 thread = current_thread();
	__u64 started = READ(task, start_boottime), name[2] = {}, *known;
	struct subject *subject = bpf_map_lookup_elem(&subjects_by_thread, &thread);

	if (!subject) {
		bpf_map_update_elem(&subjects_by_thread, &thread, &empty, BPF_ANY);
		subject = bpf_map_lookup_elem(&subjects_by_thread, &thread);
	}
	if (!subject) {
		count(LOST_SUBJECT);
		return 0;
	}
	/* Thread ids are reused, and no hook reports a new name here. */
	known = (__u64 *)subject->comm;
	current_name(name);
	if (subject->started != started || known[0] != name[0] || known[1] != name[1] ||
	    subject->exec != READ(task, self_exec_id))
		subject->version = 0;
	subject->started = started;
	subject->exec = READ(task, self_exec_id);
	return subject;
}

/*
 * Whether the subject was given to another thread while we judged by it: the map evicts without asking who reads.
 * Neither can tell whose values it holds then.
 */
static __always_inline bool was_taken(struct subject *subject)
{
#ifdef LEGACY
	__u32 thread = current_thread();

	if (bpf_map_lookup_elem(&subjects_by_thread, &thread) == subject)
		return false;
	subject->version = 0;
	return true;
#else
	return false;
#endif
}

static __always_inline struct subject *cached_subject(struct task_struct *task)
{
#ifndef LEGACY
	struct subject *subject = bpf_task_storage_get(&subject_cache, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (subject)
		return subject;
#endif
	return subject_by_thread(task);
}

#ifndef CGROUP_BACKEND
/* A task that moves gets another css_set; should it be one at the address of the old, cgroup_attach_task has reported
 * it. */
static __always_inline __u64 cgroup_place(struct task_struct *task)
{
	return (__u64)READ(task, cgroups);
}
#else
static __always_inline __u64 cgroup_place(struct task_struct *task)
{
	return current_cgroup();
}
#endif

#ifndef LEGACY
/* Grows with each exec and each new name of a thread. */
__u64 renewals;

/* The subject of the calling thread if it is worked out and up to date, else NULL. */
static __always_inline struct subject *known_subject(__u64 version)
{
	struct task_struct *task = current_task();
	struct subject *subject = bpf_task_storage_get(&subject_cache, task, 0, 0);
	struct cred *cred = READ(task, cred);

	if (subject && cred && subject->version == version && subject->place == cgroup_place(task) &&
	    subject->uid == READ(cred, uid.val) && subject->euid == READ(cred, euid.val) &&
	    subject->gid == READ(cred, gid.val) && subject->egid == READ(cred, egid.val) &&
	    subject->fsuid == READ(cred, fsuid.val) && subject->fsgid == READ(cred, fsgid.val))
		return subject;
	return 0;
}
#endif

/* The subject of the calling thread; NULL when there is no room to work it out. */
static __always_inline struct subject *current_subject(__u64 version)
{
	struct task_struct *task = current_task(), *leader;
	struct cred *cred = READ(task, cred);
	__u64 place = cgroup_place(task);
	struct subject *subject;
	/* Wider than an id, so that comparing takes no conversions. */
	__u64 uid, gid, euid, egid, fsuid, fsgid, other;

	subject = cached_subject(task);
	if (!subject || !cred)
		return 0;
	uid = READ(cred, uid.val);
	gid = READ(cred, gid.val);
	euid = READ(cred, euid.val);
	egid = READ(cred, egid.val);
	fsuid = READ(cred, fsuid.val);
	fsgid = READ(cred, fsgid.val);
	other = (subject->uid ^ uid) | (subject->euid ^ euid) | (subject->gid ^ gid) | (subject->egid ^ egid) |
		(subject->fsuid ^ fsuid) | (subject->fsgid ^ fsgid);
	if (subject->version == version && subject->place == place && !other)
		return subject;
	leader = READ(task, group_leader);
	subject->version = version;
	subject->place = place;
	subject->cgroup = current_cgroup();
	subject->uid = uid;
	subject->gid = gid;
	subject->euid = euid;
	subject->egid = egid;
	subject->fsuid = fsuid;
	subject->fsgid = fsgid;
	subject->pid = current_pid();
	subject->reported = 0;
	subject->process =
		process_key(READ(leader, start_boottime), subject->pid, READ(task, self_exec_id), subject->cgroup);
	/* The helper leaves what follows the end of the name, and names are compared whole. */
	__builtin_memset(subject->comm, 0, COMM_SIZE);
	current_name(subject->comm);
#pragma unroll
	for (int i = 0; i < DECISIONS; i++)
		subject->decisions[i].rest = 0;
#pragma unroll
	for (int i = 0; i < COUNTED; i++)
		subject->counted[i].epoch = 0;
	work_out_subject(subject, version & 1);
	subject->share = share_key_of(cred, subject->flags);
	/* Nothing that the comparison above looks at tells of other groups. */
	if (subject->by_groups)
		subject->version = 0;
	return subject;
}

/* After an exec or a new name, which the comparison above does not look at. */
static __always_inline void forget_subject(struct task_struct *task)
{
#ifndef LEGACY
	struct subject *subject = bpf_task_storage_get(&subject_cache, task, 0, 0);

	if (subject)
		subject->version = 0;
	/* After that, so that who reads it first finds no subject. */
	__sync_fetch_and_add(&renewals, 1);
#endif
}

#endif
