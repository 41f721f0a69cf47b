/* SPDX-License-Identifier: GPL-2.0 */
/* The cgroups above a caller: which of them a policy knows, and whether a container runtime has named one of them. */
#ifndef BOUHEKI_CGROUP_H
#define BOUHEKI_CGROUP_H

#include "identity.bpf.h"
#include "keep.bpf.h"

/* How many cgroups are looked at from a process upwards. */
#define CGROUP_DEPTH 12

_Static_assert(CGROUP_LISTED_EVERY < CGROUP_DEPTH, "every cgroup has a listed one within reach");

#define CGROUP_NAME_SIZE 24

/* struct subject, cgroups */
#define CGROUPS_CONTAINER 1 /* a runtime has named one of them */
#define CGROUPS_UNLISTED 2  /* below the innermost one that is listed there is one of a user's making */

static __always_inline bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* An id follows, and no word as in docker-registry.service or libpod-conmon-, which is podman's monitor. */
static __always_inline bool is_id(const char *text)
{
	return is_hex(text[0]) && is_hex(text[1]) && is_hex(text[2]) && is_hex(text[3]) && is_hex(text[4]) &&
	       is_hex(text[5]) && is_hex(text[6]) && is_hex(text[7]);
}

/* Whether a cgroup of this name holds a container. `name` has CGROUP_NAME_SIZE bytes. */
static __always_inline bool names_container(const char *name)
{
	if (name[0] == 'l' && name[1] == 'i' && name[2] == 'b' && name[3] == 'p' && name[4] == 'o' && name[5] == 'd' &&
	    name[6] == '-')
		return is_id(name + 7);
	if (name[0] == 'd' && name[1] == 'o' && name[2] == 'c' && name[3] == 'k' && name[4] == 'e' && name[5] == 'r')
		return !name[6] || (name[6] == '-' && is_id(name + 7));
	if (name[0] == 'c' && name[1] == 'r' && name[2] == 'i' && name[3] == 'o' && name[4] == '-')
		return is_id(name + 5);
	if (name[0] == 'c' && name[1] == 'r' && name[2] == 'i' && name[3] == '-' && name[4] == 'c' && name[5] == 'o' &&
	    name[6] == 'n' && name[13] == 'd' && name[14] == '-')
		return is_id(name + 15);
	if (name[0] == 'k' && name[1] == 'u' && name[2] == 'b' && name[3] == 'e' && name[4] == 'p' && name[5] == 'o' &&
	    name[6] == 'd' && name[7] == 's')
		return !name[8] || name[8] == '.' || name[8] == '-';
	return name[0] == 'l' && name[1] == 'x' && name[2] == 'c' && name[3] == '.' && name[4] == 'p' &&
	       name[5] == 'a' && name[6] == 'y' && name[7] == 'l' && name[8] == 'o' && name[9] == 'a' &&
	       name[10] == 'd' && name[11] == '.';
}

static __always_inline struct kernfs_node *cgroup_node(struct task_struct *task)
{
	return BPF_CORE_READ(task, cgroups, dfl_cgrp, kn);
}

static __always_inline struct kernfs_node *parent_node(struct kernfs_node *node)
{
	struct kernfs_node___rcu *renamed = (void *)node;

	if (bpf_core_field_exists(renamed->__parent))
		return BPF_CORE_READ(renamed, __parent);
	return BPF_CORE_READ(node, parent);
}

/* Whether others than root can have made a cgroup: those who own the one above it. */
static __always_inline bool made_by_user(struct kernfs_node *above)
{
	struct kernfs_iattrs *attributes = above ? BPF_CORE_READ(above, iattr) : 0;

	return attributes && BPF_CORE_READ(attributes, ia_uid.val);
}

/* The one above may have been given to a user since its entry was made. */
static __always_inline struct vector *listed_cgroup(struct subject_key *key, bool by_user)
{
	struct vector *listed = by_user ? bpf_map_lookup_elem(&user_cgroups, key) : 0;

	return listed ? listed : bpf_map_lookup_elem(&subjects, key);
}

/*
 * Walks from the caller's cgroup to the root: the innermost one that is listed decides. Where none is within reach, or
 * one of a user may have found no room, that can't be told: every deny rule holds then that asks for a cgroup, and no
 * such allow rule.
 */
static __always_inline bool keep_cgroup(struct subject *subject, struct tables *tables, struct subject_key *key,
					struct task_struct *task)
{
	struct kernfs_node *node = cgroup_node(task), *at = node;
	struct vector *listed = 0, *any = 0;
	bool known;

	key->kind = SUBJECT_CGROUP;
	subject->cgroups = 0;
	for (int i = 0; i < CGROUP_DEPTH && at; i++) {
		struct kernfs_node *above = parent_node(at);
		bool by_user = made_by_user(above);

		key->a = BPF_CORE_READ(at, id);
		listed = listed_cgroup(key, by_user);
		if (listed)
			break;
		if (by_user)
			subject->cgroups |= CGROUPS_UNLISTED;
		at = above;
	}
	for (int i = 0; i < CGROUP_DEPTH && node; i++) {
		char name[CGROUP_NAME_SIZE] = {};

		bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(node, name));
		if (names_container(name))
			subject->cgroups |= CGROUPS_CONTAINER;
		node = parent_node(node);
	}
	/* So far down a container is more likely than not, and only it is judged by a policy for containers. */
	if (node)
		subject->cgroups |= CGROUPS_CONTAINER;
	known = listed ? !(subject->cgroups & CGROUPS_UNLISTED && control.unlisted[key->side & 1]) : !node;
	if (!known && control.flags[key->side & 1] & SIDE_POLICY) {
		if (!listed)
			count(LOST_CGROUP);
		listed = &tables->deny;
		any = any_of(tables, SUBJECT_CGROUP);
	} else if (!listed) {
		any = any_of(tables, SUBJECT_CGROUP);
	}
	/* The entry holds every box that accepts this cgroup, those that don't name a cgroup included. */
	keep_listed(subject, any, listed, 0);
	return subject->cgroups & CGROUPS_CONTAINER;
}

/*
 * A cgroup was made. When the innermost listed one above it is far up, it is listed too with the same boxes, so that
 * there is always one within reach; the daemon puts its own in the place when it has heard of the cgroup. Only on the
 * side in force: the other one may be half filled.
 */
static __always_inline void list_deep_cgroup(struct cgroup *cgroup)
{
	struct subject_key key = {.side = control.version & 1, .kind = SUBJECT_CGROUP};
	struct kernfs_node *node = BPF_CORE_READ(cgroup, kn), *above = parent_node(node);
	bool by_user = made_by_user(above);
	struct vector *listed = 0;
	int steps = 0;

	for (int i = 0; i < CGROUP_DEPTH && node && !listed; i++) {
		above = parent_node(node);
		key.a = BPF_CORE_READ(node, id);
		listed = listed_cgroup(&key, made_by_user(above));
		node = above;
		steps = i;
	}
	if (!listed || steps < CGROUP_LISTED_EVERY)
		return;
	key.a = BPF_CORE_READ(cgroup, kn, id);
	/* Full: a process below it is judged as one whose cgroup is unknown. */
	if (by_user)
		bpf_map_update_elem(&user_cgroups, &key, listed, BPF_NOEXIST);
	else
		bpf_map_update_elem(&subjects, &key, listed, BPF_NOEXIST);
}

/* A cgroup is gone, and nothing ran in it any more: making and removing them again and again takes no room. */
static __always_inline void unlist_cgroup(struct cgroup *cgroup)
{
	struct subject_key key = {.kind = SUBJECT_CGROUP, .a = BPF_CORE_READ(cgroup, kn, id)};

	for (__u32 side = 0; side < 2; side++) {
		key.side = side;
		bpf_map_delete_elem(&subjects, &key);
		bpf_map_delete_elem(&user_cgroups, &key);
	}
}

#endif
