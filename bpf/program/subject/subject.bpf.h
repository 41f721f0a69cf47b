/* SPDX-License-Identifier: GPL-2.0 */
/* Who is calling, as the set of boxes whose `from` accepts it. */
#ifndef BOUHEKI_SUBJECT_H
#define BOUHEKI_SUBJECT_H

#include "cgroup.bpf.h"
#include "script.bpf.h"

/*
 * A subject as the argument of a function that is checked alone. Before 5.12 such a function takes no pointers. Where
 * the map has given the subject to another thread meanwhile the function does nothing; was_taken() finds that.
 */
#ifndef LEGACY
#define SUBJECT_PARAMETER struct subject *subject
#define GIVEN_SUBJECT subject
#define SUBJECT_ARGUMENT(subject) subject
#else
#define SUBJECT_PARAMETER __u32 thread
#define GIVEN_SUBJECT bpf_map_lookup_elem(&subjects_by_thread, &thread)
#define SUBJECT_ARGUMENT(subject) current_thread()
#endif

/* boxes &= those that accept all three values if they allow, or any of them or of the groups if they deny. */
static __always_inline void keep_ids(struct subject *subject, struct tables *tables, struct subject_key *key,
				     enum subject_kind kind, __u32 real, __u32 effective, __u32 files,
				     const struct vector *groups)
{
	struct vector *any = any_of(tables, kind), *first, *second, *third;

	key->kind = kind;
	key->a = real;
	first = bpf_map_lookup_elem(&subjects, key);
	key->a = effective;
	second = real == effective ? first : bpf_map_lookup_elem(&subjects, key);
	key->a = files;
	third = files == effective ? second : bpf_map_lookup_elem(&subjects, key);
#pragma unroll
	for (int i = 0; i < VECTOR_WORDS; i++) {
		__u64 one = any->word[i] | (first ? first->word[i] : 0);
		__u64 two = any->word[i] | (second ? second->word[i] : 0);
		__u64 three = any->word[i] | (third ? third->word[i] : 0);
		__u64 some = one | two | three | (groups ? groups->word[i] : 0);

		subject->boxes.word[i] &= (one & two & three) | (some & tables->deny.word[i]);
	}
}

/* Adds the boxes that name one supplementary group to `work`. A function of its own: it is called in a loop. */
__noinline int add_group(SUBJECT_PARAMETER, __u32 side, __u32 gid)
{
	struct subject_key key = {.side = side & 1, .kind = SUBJECT_GID, .a = gid};
	struct vector *found = bpf_map_lookup_elem(&subjects, &key);
	struct subject *worked_on = GIVEN_SUBJECT;

	if (!found || !worked_on)
		return 0;
#pragma unroll
	for (int i = 0; i < VECTOR_WORDS; i++)
		worked_on->work.word[i] |= found->word[i];
	return 0;
}

/*
 * Leaves the boxes that name a supplementary group of the caller in `work`: all of them when there are more groups than
 * are looked at. Returns false when no deny box names any group, so that they don't matter.
 */
static __always_inline bool collect_groups(struct subject *subject, struct tables *tables, struct subject_key *key)
{
	struct vector *any = any_of(tables, SUBJECT_GID);
	struct group_info *groups;
	__u64 named = 0, at;
	__u32 count;

#pragma unroll
	for (int i = 0; i < VECTOR_WORDS; i++) {
		named |= tables->deny.word[i] & ~any->word[i];
		subject->work.word[i] = 0;
	}
	if (!named)
		return false;
	groups = BPF_CORE_READ(current_task(), cred, group_info);
	count = groups ? BPF_CORE_READ(groups, ngroups) : MAX_GROUPS + 1;
	if (count > MAX_GROUPS) {
#pragma unroll
		for (int i = 0; i < VECTOR_WORDS; i++)
			subject->work.word[i] = ~0ULL;
		return true;
	}
	at = (__u64)groups + bpf_core_field_offset(struct group_info, gid);
	for (__u32 i = 0; i < MAX_GROUPS; i++, at += sizeof(kgid_t)) {
		__u32 gid = 0;

		if (i >= count)
			break;
		bpf_probe_read_kernel(&gid, sizeof(gid), (void *)at);
		add_group(SUBJECT_ARGUMENT(subject), key->side, gid);
	}
	return true;
}

/*
 * Of the boxes that name a file of this inode number, those that deny, and of the others those that name just this
 * file. Numbers may be had twice, and any user can make a program that has a given one; a file that no one held open
 * when it was executed may by now be another object. `key->b` says where; the result is in `work`.
 */
static __always_inline struct vector *just_this_file(struct subject *subject, struct tables *tables,
						     struct subject_key *key, const struct identity *identity,
						     const struct vector *numbered)
{
	struct vector *named;

	key->a = identity->file.object;
	key->b ^= identity->file.inode ^ (__u64)identity->file.generation << 32;
	named = bpf_map_lookup_elem(&subjects, key);
#pragma unroll
	for (int i = 0; i < VECTOR_WORDS; i++) {
		__u64 boxes = tables->deny.word[i] | (named ? named->word[i] : 0);

		subject->work.word[i] = numbered->word[i] & boxes;
	}
	return &subject->work;
}

/*
 * A deny rule for an executable accepts it everywhere, an allow rule only where the host has mounted what it loads and
 * reads: for the host, or for a service of it. Any user can make a mount namespace, and with it libraries and settings,
 * in a user namespace of its own; and a container has its own programs.
 */
static __always_inline struct vector *host_executable(struct subject *subject, struct tables *tables,
						      struct subject_key *key, const struct identity *identity)
{
	struct vector *numbered;

	key->kind = SUBJECT_EXE;
	key->a = identity->file.inode;
	key->b = identity->file.device;
	numbered = bpf_map_lookup_elem(&subjects, key);
	if (!numbered)
		return 0;
	key->kind = SUBJECT_EXE_OBJECT;
	key->b = 0;
	return just_this_file(subject, tables, key, identity, numbered);
}

/*
 * A container's program is known by its mount namespace as well: who makes one in the container can mount there what he
 * likes. NULL where it is not known what a path means.
 */
static __always_inline struct vector *inside_executable(struct subject *subject, struct tables *tables,
							struct subject_key *key, const struct identity *identity)
{
	struct vector *numbered;
	__u64 place = (__u64)identity->mount_namespace << 32;

	if (identity->flags & PROCESS_FOREIGN_ROOT)
		return 0;
	key->kind = SUBJECT_EXE_INSIDE;
	key->a = identity->file.inode;
	key->b = place | identity->file.device;
	numbered = bpf_map_lookup_elem(&subjects, key);
	if (numbered) {
		key->kind = SUBJECT_EXE_INSIDE_OBJECT;
		key->b = place;
		return just_this_file(subject, tables, key, identity, numbered);
	}
	key->a = 0;
	key->b = place;
	return bpf_map_lookup_elem(&subjects, key);
}

/* The script that an interpreter was started with, by its path alone. False where there was no room to keep it. */
static __always_inline bool known_script(struct subject_key *key, const struct identity *identity,
					 struct task_struct *leader, struct vector **listed)
{
	struct script *script;

	if (identity->flags & PROCESS_SCRIPT_LOST)
		return false;
	if (!(identity->flags & PROCESS_SCRIPT))
		return true;
	script = script_of(leader, false);
	if (!script)
		return false;
	key->kind = SUBJECT_SCRIPT;
	key->a = script->sum[0];
	key->b = script->sum[1];
	*listed = bpf_map_lookup_elem(&subjects, key);
	return true;
}

/* Of the boxes that ask for a program, those that can mean the one of this process; NULL: all. */
static __always_inline struct vector *program_mask(struct subject *subject, struct tables *tables)
{
	if (subject->flags & PROCESS_UNKNOWN)
		return 0;
	if (subject->flags & (PROCESS_MEMFD | PROCESS_DELETED))
		return &tables->deny;
	return subject->flags & (PROCESS_FOREIGN_USERS | PROCESS_IN_CONTAINER) ? &tables->inside : 0;
}

static __always_inline void keep_command(struct subject *subject, struct tables *tables, struct subject_key *key)
{
	struct vector *found;
	__u64 name[2], mask[2] = {};

	subject->work = *any_of(tables, SUBJECT_COMMAND);
	__builtin_memcpy(name, subject->comm, sizeof(name));
	key->kind = SUBJECT_COMMAND;
	key->a = name[0];
	key->b = name[1];
	found = bpf_map_lookup_elem(&subjects, key);
	if (found) {
#pragma unroll
		for (int i = 0; i < VECTOR_WORDS; i++)
			subject->work.word[i] |= found->word[i];
	}
	key->kind = SUBJECT_COMMAND_PREFIX;
	for (int length = 0; length < COMM_SIZE && tables->command_prefixes; length++) {
		key->length = length;
		key->a = name[0] & mask[0];
		key->b = name[1] & mask[1];
		/* The longest prefix comes last; each entry holds the boxes of the shorter ones too. */
		found = bpf_map_lookup_elem(&subjects, key);
		if (found) {
#pragma unroll
			for (int i = 0; i < VECTOR_WORDS; i++)
				subject->work.word[i] |= found->word[i];
		}
		if (length < 8)
			mask[0] = mask[0] << 8 | 0xff;
		else
			mask[1] = mask[1] << 8 | 0xff;
	}
	key->length = 0;
	key->b = 0;
	keep_listed(subject, &subject->work, 0, 0);
}

/*
 * The cgroup decides where a runtime has named it, whatever namespaces the process has left or entered there. Elsewhere
 * it takes foreign mounts and a pid namespace below the first: a service with PrivateTmp= has its own mount namespace
 * and is no container.
 */
static __always_inline bool in_container(struct task_struct *task, bool container_cgroup)
{
	struct pid *pid = READ(task, thread_pid);

	return container_cgroup || (pid && READ(pid, level) > 0 && !in_host_mounts(task));
}

static __always_inline struct identity *own_identity(void)
{
	struct task_struct *leader = READ(current_task(), group_leader);

	return leader ? identity_of(leader, false) : 0;
}

/*
 * After the cgroups, and before all else that is said of the program. What is not known may be anything: every deny
 * rule that asks for it holds, and no allow rule.
 */
static __always_inline void keep_executable_of_host(struct subject *subject, struct tables *tables,
						    struct subject_key *key)
{
	struct identity *identity = own_identity();
	struct vector *listed;

#ifdef CGROUP_BACKEND
	if (identity)
		compare_file(identity);
#endif
	subject->flags = identity ? identity->flags : PROCESS_UNKNOWN;
	if (!identity)
		count(LOST_IDENTITY);
	if (in_container(current_task(), subject->cgroups & CGROUPS_CONTAINER))
		subject->flags |= PROCESS_IN_CONTAINER;
	listed = identity ? host_executable(subject, tables, key, identity) : &tables->deny;
	keep_listed(subject, any_of(tables, SUBJECT_EXE), listed, program_mask(subject, tables));
}

static __always_inline void keep_executable_inside(struct subject *subject, struct tables *tables,
						   struct subject_key *key)
{
	struct identity *identity = own_identity();
	struct vector *listed = identity ? inside_executable(subject, tables, key, identity) : 0;

	keep_listed(subject, any_of(tables, SUBJECT_EXE_INSIDE), listed ? listed : &tables->deny,
		    program_mask(subject, tables));
}

static __always_inline void keep_script(struct subject *subject, struct tables *tables, struct subject_key *key)
{
	struct task_struct *leader = READ(current_task(), group_leader);
	struct identity *identity = own_identity();
	struct vector *listed = 0;

	if (!identity || !known_script(key, identity, leader, &listed))
		listed = &tables->deny;
	keep_listed(subject, any_of(tables, SUBJECT_SCRIPT), listed, program_mask(subject, tables));
}

static __always_inline void keep_users(struct subject *subject, struct tables *tables, struct subject_key *key)
{
	keep_ids(subject, tables, key, SUBJECT_UID, subject->uid, subject->euid, subject->fsuid, 0);
}

static __always_inline void keep_groups(struct subject *subject, struct tables *tables, struct subject_key *key)
{
	subject->by_groups = collect_groups(subject, tables, key);
	keep_ids(subject, tables, key, SUBJECT_GID, subject->gid, subject->egid, subject->fsgid, &subject->work);
}

/*
 * Which mode holds for the subject, after all dimensions: the first mode box that accepts it says so. Those that block
 * are among the deny boxes, so that what is not known of a subject has it blocked rather than monitored. No destination
 * is in a mode box, so decide() never finds one.
 */
static __always_inline void keep_mode(struct subject *subject, struct tables *tables, struct subject_key *key)
{
#pragma unroll
	for (int i = 0; i < VECTOR_WORDS; i++) {
		__u64 modes = subject->boxes.word[i] & tables->modes.word[i];

		if (modes) {
			subject->monitored = !(modes & -modes & tables->deny.word[i]);
			return;
		}
	}
}

/* Rules whose end has come hold for nobody. */
static __always_inline void keep_lasting(struct subject *subject, struct tables *tables, struct subject_key *key)
{
	struct vector *lasting = lasting_under(tables, subject->version);

#pragma unroll
	for (int i = 0; i < VECTOR_WORDS; i++)
		subject->boxes.word[i] &= lasting->word[i];
}

/*
 * Each dimension is a function of its own that is checked alone: otherwise the verifier would go through each for all
 * the ways that lead through the ones before it.
 */
#define DIMENSION(keep)                                                          \
	__noinline int keep##_alone(SUBJECT_PARAMETER, __u32 side)               \
	{                                                                        \
		struct subject_key key = {.side = side & 1};                     \
		struct subject *worked_on = GIVEN_SUBJECT;                       \
		struct tables *tables = bpf_map_lookup_elem(&policy, &key.side); \
                                                                                 \
		if (worked_on && tables)                                         \
			keep(worked_on, tables, &key);                           \
		return 0;                                                        \
	}

DIMENSION(keep_users)
DIMENSION(keep_groups)
DIMENSION(keep_command)
DIMENSION(keep_cgroup)
DIMENSION(keep_executable_of_host)
DIMENSION(keep_executable_inside)
DIMENSION(keep_script)
DIMENSION(keep_mode)
DIMENSION(keep_lasting)

static __always_inline void work_out_subject(struct subject *subject, __u32 side)
{
#pragma unroll
	for (int i = 0; i < VECTOR_WORDS; i++)
		subject->boxes.word[i] = ~0ULL;
	subject->monitored = 0;
	keep_users_alone(SUBJECT_ARGUMENT(subject), side);
	keep_groups_alone(SUBJECT_ARGUMENT(subject), side);
	keep_command_alone(SUBJECT_ARGUMENT(subject), side);
	keep_cgroup_alone(SUBJECT_ARGUMENT(subject), side);
#ifdef LEGACY
	adopt_running();
#endif
	keep_executable_of_host_alone(SUBJECT_ARGUMENT(subject), side);
	keep_executable_inside_alone(SUBJECT_ARGUMENT(subject), side);
	keep_script_alone(SUBJECT_ARGUMENT(subject), side);
	keep_mode_alone(SUBJECT_ARGUMENT(subject), side);
	keep_lasting_alone(SUBJECT_ARGUMENT(subject), side);
}

#endif
