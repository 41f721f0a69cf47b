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
#define CGROUPS_DEEP 4	    /* there are more of them than are looked at */
#define CGROUPS_UNLISTED 2  /* below the innermost one that is listed there is one of a user's making */
#define CGROUPS_NEW 8	    /* below it there is one that was made since the daemon has looked last */

/* Of a name's first bytes, and eight of them as the number that they make in memory: no branch for each letter. */
union cgroup_name {
	char text[CGROUP_NAME_SIZE];
	__u64 word[CGROUP_NAME_SIZE / 8];
};

#define WORD(a, b, c, d, e, f, g, h)                                                                                \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 | (__u64)(f) << 40 | \
	 (__u64)(g) << 48 | (__u64)(h) << 56)
#define FIRST(word, bytes) ((word) & ~0ULL >> (64 - 8 * (bytes)))

/* 1 for 0-9 and a-f, else 0. */
static __always_inline __u64 is_hex(__u8 c)
{
	__u64 from_zero = c - '0';
	__u64 accepted = 0x3ffULL | 0x3fULL << ('a' - '0');

	return accepted >> (from_zero & 63) & ~(from_zero >> 6) & ~(from_zero >> 7) & 1;
}

/* An id follows, and no word as in docker-registry.service or libpod-conmon-, which is podman's monitor. */
static __always_inline bool is_id(const char *text)
{
	__u64 hex = 1;

#pragma unroll
	for (int i = 0; i < 8; i++)
		hex &= is_hex(text[i]);
	return hex;
}

/*
 * Whether a cgroup of this name holds a container. Its first bytes are given, 8 in a number. A function of its own,
 * since it is called in a loop.
 */
__noinline int names_container(__u64 first, __u64 second, __u64 third)
{
	const union cgroup_name name = {.word = {first, second, third}};
	const char *text = name.text;

	if (FIRST(first, 7) == WORD('l', 'i', 'b', 'p', 'o', 'd', '-', 0))
		return is_id(text + 7);
	if (FIRST(first, 6) == WORD('d', 'o', 'c', 'k', 'e', 'r', 0, 0))
		return !text[6] || (text[6] == '-' && is_id(text + 7));
	if (FIRST(first, 5) == WORD('c', 'r', 'i', 'o', '-', 0, 0, 0))
		return is_id(text + 5);
	if (first == WORD('c', 'r', 'i', '-', 'c', 'o', 'n', 't') &&
	    FIRST(second, 7) == WORD('a', 'i', 'n', 'e', 'r', 'd', '-', 0))
		return is_id(text + 15);
	if (first == WORD('k', 'u', 'b', 'e', 'p', 'o', 'd', 's'))
		return !text[8] || text[8] == '.' || text[8] == '-';
	return first == WORD('l', 'x', 'c', '.', 'p', 'a', 'y', 'l') &&
	       FIRST(second, 4) == WORD('o', 'a', 'd', '.', 0, 0, 0, 0);
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

/* What the names up to the root say. A walk apart and before the other one, which ends in many ways. */
static __always_inline void note_named_cgroups(struct subject *subject, struct kernfs_node *node)
{
	subject->cgroups = 0;
	for (int i = 0; i < CGROUP_DEPTH && node; i++) {
		union cgroup_name name = {};

		bpf_probe_read_kernel_str(name.text, sizeof(name.text), BPF_CORE_READ(node, name));
		if (names_container(name.word[0], name.word[1], name.word[2]))
			subject->cgroups = CGROUPS_CONTAINER;
		node = parent_node(node);
	}
	/* So far down a container is more likely than not, and only it is judged by a policy for containers. */
	if (node)
		subject->cgroups = CGROUPS_CONTAINER | CGROUPS_DEEP;
}

/* Whether the daemon is gone, or stands still, while its policy goes on. */
static __always_inline bool is_alone(void)
{
	return control.alone_from && bpf_ktime_get_boot_ns() > control.alone_from;
}

/* Whether a cgroup that is not listed may have to decide: there was no room for it, or nobody to list it. */
static __always_inline bool may_be_unlisted(__u32 cgroups, __u32 side)
{
	return (cgroups & CGROUPS_UNLISTED && control.unlisted[side & 1]) || (cgroups & CGROUPS_NEW && is_alone());
}

/*
 * Walks from the caller's cgroup to the root: the innermost one that is listed decides. Where none is within reach, one
 * of a user may have found no room, or one may have been made while nobody lists them, that can't be told: every deny
 * rule holds then that asks for a cgroup, and no such allow rule.
 */
static __always_inline void keep_cgroup(struct subject *subject, struct tables *tables, struct subject_key *key)
{
	struct kernfs_node *at = cgroup_node(current_task());
	struct vector *listed = 0, *any = 0;
	bool known;

	key->kind = SUBJECT_CGROUP;
	note_named_cgroups(subject, at);
	for (int i = 0; i < CGROUP_DEPTH && at; i++) {
		struct kernfs_node *above = parent_node(at);
		bool by_user = made_by_user(above);

		key->a = BPF_CORE_READ(at, id);
		listed = listed_cgroup(key, by_user);
		if (listed)
			break;
		if (by_user)
			subject->cgroups |= CGROUPS_UNLISTED;
		if (key->a > control.last_cgroup)
			subject->cgroups |= CGROUPS_NEW;
		at = above;
	}
	known = listed ? !may_be_unlisted(subject->cgroups, key->side) : !(subject->cgroups & CGROUPS_DEEP);
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
}

/*
 * A cgroup was made. When the innermost listed one above it is far up, it is listed too with the same boxes, so that
 * there is always one within reach; the daemon puts its own in the place when it has heard of the cgroup. Only on the
 * side in force: the other one may be half filled.
 */
static __always_inline void list_deep_cgroup(struct cgroup *cgroup)
{
	struct subject_key key = {.side = version_in_force() & 1, .kind = SUBJECT_CGROUP};
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

/*
 * A cgroup of a name that a rule waits for, or that was there before: its rules hold from its first connection on,
 * however late the daemon hears of it. Below a cgroup that a user owns, the name says nothing.
 */
static __always_inline void list_expected_cgroup(struct cgroup *cgroup)
{
	struct expected_cgroup expected = {.side = version_in_force() & 1};
	struct subject_key key = {.side = expected.side, .kind = SUBJECT_CGROUP};
	struct kernfs_node *node = BPF_CORE_READ(cgroup, kn), *above = parent_node(node);
	struct vector *boxes;
	long length;

	if (!above || made_by_user(above))
		return;
	expected.above = BPF_CORE_READ(above, id);
	length = bpf_probe_read_kernel_str(expected.name, EXPECTED_NAME_SIZE, BPF_CORE_READ(node, name));
	/* Cut: of this many bytes there is no entry. */
	if (length == EXPECTED_NAME_SIZE)
		return;
	boxes = bpf_map_lookup_elem(&expected_cgroups, &expected);
	if (!boxes)
		return;
	key.a = BPF_CORE_READ(node, id);
	bpf_map_update_elem(&subjects, &key, boxes, BPF_ANY);
}

/* Of version 2: in hierarchies of version 1 other cgroups have the same ids. That of version 2 is the kernel's first.
 */
static __always_inline bool is_of_version2(struct cgroup *cgroup)
{
	return BPF_CORE_READ(cgroup, root, hierarchy_id) == 0;
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
