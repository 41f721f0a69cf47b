/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the first judge leaves behind for the second one (second/judge.bpf.h): the last thing that this thread was
 * allowed, in full, with all that the verdict was made from. So a mark that is left over is no more than the same
 * verdict twice.
 */
#ifndef BOUHEKI_MARK_H
#define BOUHEKI_MARK_H

#include "../flow.bpf.h"

#ifdef SECOND_JUDGE
/* What is asked once for a connection, and what is asked of each datagram, are verdicts on different things. */
static __always_inline __u64 mark_of(const struct flow *flow)
{
	__u64 kind = flow->operation == OPERATION_SEND ? 1 : flow->operation == OPERATION_OPEN ? 2 : 3;

	return flow->port | (__u64)flow->protocol << 16 | (__u64)flow->family << 32 | kind << 40;
}

static __always_inline void mark_allowed(struct subject *subject, const struct flow *flow, __u64 version)
{
	if (!knobs.second_judge)
		return;
	subject->allowed.high = flow->high;
	subject->allowed.low = flow->low;
	subject->allowed.rest = mark_of(flow);
	subject->allowed.version = version;
}

/* The mark of the calling thread, whatever it runs by now: only reads, and by what every kind of program may call. */
static __always_inline struct subject *marked_thread(void)
{
	struct task_struct *task = current_task();
	struct cred *cred = READ(task, cred);
	__u32 thread = READ(task, pid);
	struct subject *subject = bpf_map_lookup_elem(&subjects_by_thread, &thread);

	if (!subject || subject->allowed.version != version_in_force() ||
	    subject->started != READ(task, start_boottime) || subject->exec != READ(task, self_exec_id) ||
	    subject->uid != READ(cred, uid.val) || subject->euid != READ(cred, euid.val))
		return 0;
	return subject;
}

#define OF_DESTINATION 0xff0000ffffULL /* in a mark: port and family */

/*
 * Whether the first judge has allowed just this; with `translated` whether it has allowed the like to another
 * destination. A connection is allowed once; equal datagrams may follow each other in one sendmmsg(), which asks the
 * first judge once.
 */
static __always_inline bool was_allowed(const struct flow *flow, bool translated)
{
	struct subject *subject = marked_thread();
	__u64 other;

	if (!subject)
		return false;
	other = subject->allowed.rest ^ mark_of(flow);
	if (translated ? other & ~OF_DESTINATION
		       : other || subject->allowed.low != flow->low || subject->allowed.high != flow->high)
		return false;
	if (flow->operation != OPERATION_SEND)
		subject->allowed.rest = 0;
	return true;
}
#else
static __always_inline void mark_allowed(struct subject *subject, const struct flow *flow, __u64 version)
{
}
#endif

#endif
