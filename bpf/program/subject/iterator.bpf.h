/* SPDX-License-Identifier: GPL-2.0 */
/* What the daemon asks of the kernel: which files it holds open, and which programs run that are older than itself. */
#ifndef BOUHEKI_ITERATOR_H
#define BOUHEKI_ITERATOR_H

#include "identity.bpf.h"

/* The paths of a policy are held open by the daemon itself, those of containers by a child of it. */
SEC("iter/task_file")
int open_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *self = (struct task_struct *)bpf_get_current_task(), *task = ctx->task;
	int reader = BPF_CORE_READ(self, tgid);
	struct file *file = ctx->file;
	struct open_file found = {};

	if (!task || !file)
		return 0;
	found.own = BPF_CORE_READ(task, tgid) == reader;
	if (!found.own && BPF_CORE_READ(task, real_parent, tgid) != reader)
		return 0;
	describe_file(&found.file, BPF_CORE_READ(file, f_inode));
	found.fd = ctx->fd;
	bpf_seq_write(ctx->meta->seq, &found, sizeof(found));
	return 0;
}

SEC("iter/task")
int running_programs(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct running_program found = {};
	struct file *file;

	if (!task || BPF_CORE_READ(task, pid) != BPF_CORE_READ(task, tgid))
		return 0;
	file = BPF_CORE_READ(task, mm, exe_file);
	if (!file)
		return 0;
	describe_file(&found.file, BPF_CORE_READ(file, f_inode));
	found.started = BPF_CORE_READ(task, start_boottime);
	found.pid = BPF_CORE_READ(task, tgid);
	found.flags = foreignness(task, file);
	bpf_seq_write(ctx->meta->seq, &found, sizeof(found));
	return 0;
}

#endif
