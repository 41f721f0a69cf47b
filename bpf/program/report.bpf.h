/* SPDX-License-Identifier: GPL-2.0 */
/* What the daemon receives. A full ring costs the record, which is counted, and never changes a verdict. */
#ifndef BOUHEKI_REPORT_H
#define BOUHEKI_REPORT_H

#include "flow.bpf.h"
#include "hook/repeat.bpf.h"
#include "share.bpf.h"
#include "subject/cgroup.bpf.h"
#include "subject/script.bpf.h"

#include <stddef.h>

/* The daemon looks at the rings by the clock; waking it for every record would cost the caller more than the record. */
#define NO_WAKEUP BPF_RB_NO_WAKEUP

/* What does not fit is at the root's end: `...` stands for it. */
static __always_inline void collect_cgroup_path(char *path, struct kernfs_node *node)
{
	__u32 used = 0;

	for (int i = 0; i < CGROUP_DEPTH && node; i++) {
		long length;

		KEEP(used);
		if (used > CGROUP_PATH_SIZE - 128 - 4)
			break;
		length = bpf_probe_read_kernel_str(&path[used], 128, BPF_CORE_READ(node, name));
		if (length <= 0)
			break;
		used += length;
		node = parent_node(node);
	}
	KEEP(used);
	if (node && used <= CGROUP_PATH_SIZE - 4)
		__builtin_memset(&path[used], '.', 3);
}

/*
 * A record that does not fit, or of a user who makes one cgroup after the other, is counted, upon which the daemon
 * looks for new cgroups itself.
 */
static __always_inline void report_cgroup(struct cgroup *cgroup)
{
	struct share_key maker = share_key_of(READ(current_task(), cred), 0);
	struct cgroup_made *made = 0;

	if (take_share(&maker, SHARE_CGROUPS, 1))
		made = bpf_ringbuf_reserve(&connections, sizeof(*made), 0);
	if (!made) {
		count(LOST_CGROUP);
		return;
	}
	made->kind = RECORD_CGROUP;
	__builtin_memset(made->pad, 0, sizeof(made->pad));
	made->cgroup = BPF_CORE_READ(cgroup, kn, id);
	__builtin_memset(made->cgroup_path, 0, CGROUP_PATH_SIZE);
	collect_cgroup_path(made->cgroup_path, BPF_CORE_READ(cgroup, kn));
	bpf_ringbuf_submit(made, NO_WAKEUP);
}

static __always_inline void describe_namespaces(struct process *process, struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	struct pid_namespace *namespace = 0;

	process->mount_namespace = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	process->network_namespace = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
	bpf_probe_read_kernel_str(process->nodename, NODENAME_SIZE,
				  &BPF_CORE_READ(task, nsproxy, uts_ns)->name.nodename);
	if (!pid)
		return;
	bpf_probe_read_kernel(&namespace, sizeof(namespace),
			      (void *)pid + bpf_core_field_offset(struct pid, numbers) +
				      BPF_CORE_READ(pid, level) * bpf_core_type_size(struct upid) +
				      bpf_core_field_offset(struct upid, ns));
	process->pid_namespace = BPF_CORE_READ(namespace, ns.inum);
}

/* What was executed; `path` and `script` are empty where that is not known. */
static __always_inline void describe_program(struct process *process, struct identity *identity,
					     struct task_struct *leader)
{
	struct script *script;

	if (identity) {
		process->inode = identity->file.inode;
		process->device = identity->file.device;
		__builtin_memcpy(process->path, identity->path, PATH_SIZE);
	} else {
		process->path[0] = 0;
	}
	script = identity && identity->flags & PROCESS_SCRIPT ? script_of(leader, false) : 0;
	if (script)
		__builtin_memcpy(process->script, script->path, PATH_SIZE);
	else
		process->script[0] = 0;
}

static __always_inline void describe_arguments(struct process *process, struct task_struct *task)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	__u64 arguments = mm ? BPF_CORE_READ(mm, arg_start) : 0;
	__u32 length = mm ? BPF_CORE_READ(mm, arg_end) - arguments : 0;

	__builtin_memset(process->arguments, 0, ARGUMENTS_SIZE);
	if (length > ARGUMENTS_SIZE - 1)
		length = ARGUMENTS_SIZE - 1;
	bpf_probe_read_user(process->arguments, length & (ARGUMENTS_SIZE - 1), (void *)arguments);
}

static __always_inline void describe_ancestors(struct process *process, struct identity *identity,
					       struct task_struct *leader)
{
	if (identity && lineage_of(identity)->ancestors[0].pid) {
		__builtin_memcpy(process->ancestors, lineage_of(identity)->ancestors, sizeof(process->ancestors));
		return;
	}
	__builtin_memset(process->ancestors, 0, sizeof(process->ancestors));
	find_ancestors(process->ancestors, leader);
}

/*
 * A process is reported in each ring before its first connection there: rings are read one after the other, so a record
 * in the other one might be read too late. Returns 1 when the record is out.
 */
__noinline int report_process(__u64 key, __u64 cgroup, __u32 flags, bool denied)
{
	struct task_struct *task = current_task(), *leader, *parent;
	struct identity *identity = identity_of(READ(task, group_leader), false);
	__u64 reported = key + control.tellings;
	struct process *process;
	__u32 ring = denied;

	KEEP(ring);
	ring &= 1;
	if (identity && identity->reported[ring] == reported)
		return 1;
	process = denied ? bpf_ringbuf_reserve(&denials, sizeof(*process), 0)
			 : bpf_ringbuf_reserve(&connections, sizeof(*process), 0);
	if (!process) {
		count(LOST_PROCESS);
		return 0;
	}
	__builtin_memset(process, 0, offsetof(struct process, path));
	leader = BPF_CORE_READ(task, group_leader);
	parent = BPF_CORE_READ(leader, real_parent);
	process->kind = RECORD_PROCESS;
	process->flags = flags;
	process->time = bpf_ktime_get_boot_ns();
	process->key = key;
	process->started = BPF_CORE_READ(leader, start_boottime);
	process->cgroup = cgroup;
	process->pid = BPF_CORE_READ(leader, tgid);
	process->parent_pid = BPF_CORE_READ(parent, tgid);
	bpf_probe_read_kernel_str(process->comm, COMM_SIZE, &leader->comm);
	bpf_probe_read_kernel_str(process->parent_comm, COMM_SIZE, &parent->comm);
	describe_namespaces(process, task);
	describe_program(process, identity, READ(task, group_leader));
	describe_arguments(process, task);
	__builtin_memset(process->cgroup_path, 0, CGROUP_PATH_SIZE);
	collect_cgroup_path(process->cgroup_path, cgroup_node(task));
	describe_ancestors(process, identity, READ(task, group_leader));
	bpf_ringbuf_submit(process, NO_WAKEUP);
	if (identity)
		identity->reported[ring] = reported;
	return 1;
}

/* Whether the process record is out in the ring of allowed or of denied connections. */
static __always_inline bool process_is_told(const struct subject *subject, bool denied)
{
	__u32 ring = denied;
	struct identity *identity;

	if (subject->reported & (denied ? 2 : 1))
		return true;
	identity = identity_of(READ(current_task(), group_leader), false);
	KEEP(ring);
	ring &= 1;
	return identity && identity->reported[ring] == subject->process + control.tellings;
}

/* Whether the caller has used up its share of the ring; a share is taken otherwise. */
GLOBAL_OR_STATIC int exceeds_share(struct subject *subject, __u32 denied)
{
	__u32 bytes = sizeof(struct connection) + BPF_RINGBUF_HDR_SZ;
	struct share_key share;

	if (!subject || (!denied && !is_crowded()))
		return false;
	if (!process_is_told(subject, denied))
		bytes += sizeof(struct process) + BPF_RINGBUF_HDR_SZ;
	share = subject->share;
	return !take_share(&share, denied ? SHARE_DENIALS : SHARE_CONNECTIONS, bytes);
}

/* One more of equal connections. `outcome`: enum verdict << 8 | CONNECTION_* */
GLOBAL_OR_STATIC int fold(struct flow *flow, struct subject *subject, __u32 generation, __u32 box, __u32 outcome)
{
	struct connection key;

	if (!flow || !subject)
		return 0;
	describe(&key, flow, subject, generation, box);
	key.verdict = outcome >> 8;
	key.flags = outcome;
	if (!process_is_told(subject, key.verdict)) {
		key.process = 0;
		key.pid = 0;
		count(LOST_PROCESS);
	}
	add_to_fold(&key, &subject->share);
	return 0;
}

static __always_inline void report(struct flow *flow, struct subject *subject, __u32 generation, __u32 box, bool denied,
				   __u32 flags)
{
	__u32 verdict = denied ? VERDICT_DENY : VERDICT_ALLOW;
	struct connection *connection = 0;

	if (!denied && may_repeat(flow) && count_repeat(flow, subject, generation, box, flags))
		return;
	if (!exceeds_share(subject, denied)) {
		__u32 ring = denied ? 2 : 1;

		if (!(subject->reported & ring) &&
		    report_process(subject->process, subject->cgroup, subject->flags, denied))
			subject->reported |= ring;
		connection = denied ? bpf_ringbuf_reserve(&denials, sizeof(*connection), 0)
				    : bpf_ringbuf_reserve(&connections, sizeof(*connection), 0);
	}
	if (!connection) {
		fold(flow, subject, generation, box, verdict << 8 | flags);
		return;
	}
	describe(connection, flow, subject, generation, box);
	connection->verdict = verdict;
	connection->flags = flags;
	connection->time = bpf_ktime_get_boot_ns();
	bpf_ringbuf_submit(connection, NO_WAKEUP);
	if (!denied && subject->reported & 1 && may_repeat(flow))
		await_repeats(flow, subject, generation, box, flags);
}

#endif
