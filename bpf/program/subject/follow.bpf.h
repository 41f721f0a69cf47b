/* SPDX-License-Identifier: GPL-2.0 */
/* The programs that follow what processes run: at exec, at fork, and at their end. */
#ifndef BOUHEKI_FOLLOW_H
#define BOUHEKI_FOLLOW_H

#include "../section.bpf.h"
#include "caller.bpf.h"

static __always_inline void remember_image(struct linux_binprm *bprm)
{
	remember_exec(bprm);
	remember_script(bprm);
	forget_subject(current_task());
}

#ifndef CGROUP_BACKEND
VOID_HOOK(bprm_committed_creds)
int BPF_PROG(committed_creds, struct linux_binprm *bprm)
{
	remember_image(bprm);
	return 0;
}
#else
/* A tracepoint needs no function of the security modules, and nobody can switch it off, as ftrace can be. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(executed, struct task_struct *task, int former_pid, struct linux_binprm *bprm)
{
	remember_image(bprm);
	return 0;
}
#endif

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
	inherit_identity(parent, child);
	inherit_script(parent, child);
	return 0;
}

#ifdef LEGACY
/* Task storage goes with its task by itself. */
SEC("tp_btf/sched_process_free")
int BPF_PROG(process_free, struct task_struct *task)
{
	struct leader_key key = {.started = task->start_boottime, .pid = task->tgid};

	if (task->pid == task->tgid) {
		bpf_map_delete_elem(&identities, &key);
		bpf_map_delete_elem(&scripts, &key);
	}
	return 0;
}
#endif

#endif
