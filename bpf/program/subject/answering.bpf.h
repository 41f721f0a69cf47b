/* SPDX-License-Identifier: GPL-2.0 */
/* Who on this host answers for what a task does. */
#ifndef BOUHEKI_ANSWERING_H
#define BOUHEKI_ANSWERING_H

#include "../read.bpf.h"

/* The kernel allows no deeper nesting of user namespaces (kernel/user_namespace.c). */
#define USER_NAMESPACE_DEPTH 33

/* Who made the outermost user namespace but the first that this one is in. A function of its own for the verifier. */
__noinline __u32 maker_of_outermost(__u64 user_namespace, __u32 level)
{
	struct user_namespace *at = (struct user_namespace *)user_namespace;

	for (int i = 0; i < USER_NAMESPACE_DEPTH && level > 1; i++, level--)
		at = BPF_CORE_READ(at, parent);
	return BPF_CORE_READ(at, owner.val);
}

/*
 * The user of the host who answers for what a task does: in a user namespace the one who made it, or made the outermost
 * around it, whatever ids were mapped into it.
 */
static __always_inline __u32 answering_uid(struct cred *cred)
{
	struct user_namespace *at = READ(cred, user_ns);
	__u32 level = at ? READ(at, level) : 0;

	if (!level)
		return READ(cred, uid.val);
	/* Read as a number: a typed pointer can't be given to that function. */
	return maker_of_outermost((__u64)BPF_CORE_READ(cred, user_ns), level);
}

#endif
