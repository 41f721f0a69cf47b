// SPDX-License-Identifier: GPL-2.0
/*
 * What keeps other processes, root's as well, from undoing a policy that is kept by pins: from its maps and programs,
 * from detaching its links, from its pins and their mount, and from the memory of the daemon. Whoever gives the key is
 * admitted. Attached before anything is made that it guards.
 */
#include "../kernel.bpf.h"
#include "../section.bpf.h"
#include "wire.h"

char LICENSE[] SEC("license") = "GPL";

#define BPF_FS_MAGIC 0xcafe4a11
#define FMODE_WRITE 2
#define PTRACE_MODE_ATTACH 2

/* Full: what comes later is not guarded. A daemon makes all it has at its start. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GUARD_OBJECTS);
	__type(key, struct guarded);
	__type(value, __u8);
} guarded SEC(".maps");

/* When those that have given the key were started, by thread group id. Full: who was admitted first is forgotten. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} admitted SEC(".maps");

/*
 * Functions of the kernel that ask the guard or the judge, by their number in the kernel's BTF. A program that changes
 * the value one of them returns is run before those that were attached earlier, which are left out if it returns any
 * but 0 (bpf_trampoline_link_prog() and the trampolines of each architecture).
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GUARD_FUNCTIONS);
	__type(key, __u32);
	__type(value, __u8);
} functions SEC(".maps");

struct guard guard SEC(".data.guard") = {};

static __always_inline struct task_struct *this_task(void)
{
	return (struct task_struct *)bpf_get_current_task();
}

static __always_inline __u64 started(struct task_struct *task)
{
	return BPF_CORE_READ(task, group_leader, start_boottime);
}

static __always_inline bool is_owner(struct task_struct *task)
{
	return BPF_CORE_READ(task, tgid) == guard.owner && started(task) == guard.owner_started;
}

static __always_inline bool is_admitted(void)
{
	struct task_struct *task = this_task();
	__u32 tgid = BPF_CORE_READ(task, tgid);
	__u64 *since;

	if (is_owner(task))
		return true;
	since = bpf_map_lookup_elem(&admitted, &tgid);
	return since && *since == started(task);
}

static __always_inline int refuse(void)
{
	__sync_fetch_and_add(&guard.refused, 1);
	guard.refused_pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(guard.refused_comm, sizeof(guard.refused_comm));
	return -EPERM;
}

static __always_inline bool is_guarded(__u32 kind, __u32 id)
{
	struct guarded key = {.kind = kind, .id = id};

	return bpf_map_lookup_elem(&guarded, &key) != NULL;
}

/* An object gets its first descriptor as it is made. Every other descriptor of it passes here too. */
static __always_inline int judge_object(__u32 kind, __u32 id, bool readable)
{
	struct guarded key = {.kind = kind, .id = id};
	__u8 one = 1;

	if (is_admitted()) {
		if (guard.making && is_owner(this_task()))
			bpf_map_update_elem(&guarded, &key, &one, BPF_ANY);
		return 0;
	}
	return is_guarded(kind, id) && !readable ? refuse() : 0;
}

/* The id of the link that a descriptor of this process means; of anything else some number. */
static __always_inline __u32 link_of(__u32 fd)
{
	struct task_struct *task = this_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd);
	struct file *file = NULL;
	struct bpf_link *link;

	if (fd >= BPF_CORE_READ(table, max_fds))
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	link = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(link, id);
}

/* The key comes as the attribute of a command that the kernel does not know. */
static __always_inline void admit(union bpf_attr *attr, unsigned int size)
{
	struct task_struct *task = this_task();
	__u64 key[GUARD_KEY_WORDS] = {};
	__u32 tgid = BPF_CORE_READ(task, tgid);
	__u64 since = started(task);
	__u64 wrong = 0;

	if (size < sizeof(key) || bpf_probe_read_kernel(key, sizeof(key), attr))
		return;
	for (int at = 0; at < GUARD_KEY_WORDS; at++)
		wrong |= key[at] ^ guard.key[at];
	if (wrong)
		return;
	/* The daemon gives the key first of all, as soon as this is attached. */
	if (tgid == guard.owner && !guard.owner_started)
		guard.owner_started = since;
	else
		bpf_map_update_elem(&admitted, &tgid, &since, BPF_ANY);
}

static __always_inline bool gets_before(union bpf_attr *attr)
{
	__u32 type = 0, at = 0, function = 0;

	bpf_probe_read_kernel(&type, sizeof(type), &attr->prog_type);
	bpf_probe_read_kernel(&at, sizeof(at), &attr->expected_attach_type);
	bpf_probe_read_kernel(&function, sizeof(function), &attr->attach_btf_id);
	return type == BPF_PROG_TYPE_TRACING && at == BPF_MODIFY_RETURN && bpf_map_lookup_elem(&functions, &function);
}

static __always_inline bool is_about_link(int cmd, union bpf_attr *attr)
{
	/* All these commands begin with the number of the link, or of a descriptor. */
	__u32 first = 0;

	if (cmd != BPF_LINK_GET_FD_BY_ID && cmd != BPF_LINK_DETACH && cmd != BPF_LINK_UPDATE)
		return false;
	bpf_probe_read_kernel(&first, sizeof(first), attr);
	return is_guarded(GUARDED_LINK, cmd == BPF_LINK_GET_FD_BY_ID ? first : link_of(first));
}

HOOK(bpf)
int BPF_PROG(guard_bpf, int cmd, union bpf_attr *attr, unsigned int size)
{
	if (cmd == GUARD_COMMAND)
		admit(attr, size);
	if (is_owner(this_task()))
		guard.making = cmd == BPF_MAP_CREATE || cmd == BPF_PROG_LOAD;
	if (!is_about_link(cmd, attr) && !(cmd == BPF_PROG_LOAD && gets_before(attr)))
		return 0;
	return is_admitted() ? 0 : refuse();
}

HOOK(bpf_map)
int BPF_PROG(guard_map, struct bpf_map *map, unsigned int mode)
{
	__u32 id = BPF_CORE_READ(map, id);

	return judge_object(GUARDED_MAP, id, id == guard.about && !(mode & FMODE_WRITE));
}

HOOK(bpf_prog)
int BPF_PROG(guard_program, struct bpf_prog *program)
{
	return judge_object(GUARDED_PROGRAM, BPF_CORE_READ(program, aux, id), false);
}

static __always_inline bool is_pinned_at(struct inode *inode, __u64 number)
{
	return inode && BPF_CORE_READ(inode, i_sb, s_dev) == guard.device &&
	       BPF_CORE_READ(inode, i_sb, s_magic) == BPF_FS_MAGIC && BPF_CORE_READ(inode, i_ino) == number;
}

/* A name in the folder of the owner's pins, or that folder, or the one of all pins. */
static __always_inline int judge_name(struct inode *directory, struct dentry *name)
{
	struct inode *inode = BPF_CORE_READ(name, d_inode);

	if (!is_pinned_at(directory, guard.folder) && !is_pinned_at(inode, guard.folder) &&
	    !is_pinned_at(inode, guard.root))
		return 0;
	return is_admitted() ? 0 : refuse();
}

HOOK(inode_unlink)
int BPF_PROG(guard_unlink, struct inode *directory, struct dentry *name)
{
	return judge_name(directory, name);
}

HOOK(inode_rmdir)
int BPF_PROG(guard_rmdir, struct inode *directory, struct dentry *name)
{
	return judge_name(directory, name);
}

HOOK(inode_rename)
int BPF_PROG(guard_rename, struct inode *directory, struct dentry *name)
{
	return judge_name(directory, name);
}

/* The pins go with the last mount of their bpffs, and that with what it is mounted on. */
HOOK(sb_umount)
int BPF_PROG(guard_umount, struct vfsmount *at)
{
	struct mount *mount = (struct mount *)((char *)at - bpf_core_field_offset(struct mount, mnt));
	__u32 id = BPF_CORE_READ(mount, mnt_id);

	for (int place = 0; place < GUARD_MOUNTS; place++)
		if (guard.mounts[place] != 0 && guard.mounts[place] == id)
			return is_admitted() ? 0 : refuse();
	return 0;
}

#define FTRACE_ENABLED "kernel/ftrace_enabled"

/* Programs at functions of the kernel are not called while ftrace is off. On the root cgroup: 0 is EPERM, 1 goes on. */
SEC("cgroup/sysctl")
int guard_sysctl(struct bpf_sysctl *ctx)
{
	char name[sizeof(FTRACE_ENABLED) + 1] = {};

	if (!ctx->write || bpf_sysctl_get_name(ctx, name, sizeof(name), 0) != sizeof(FTRACE_ENABLED) - 1)
		return 1;
	for (int at = 0; at < sizeof(FTRACE_ENABLED); at++)
		if (name[at] != FTRACE_ENABLED[at])
			return 1;
	if (is_admitted())
		return 1;
	refuse();
	return 0;
}

/* Descriptors can be taken out of a process, and its memory written, by who may attach to it as a debugger. */
HOOK(ptrace_access_check)
int BPF_PROG(guard_ptrace, struct task_struct *child, unsigned int mode)
{
	if (!(mode & PTRACE_MODE_ATTACH) || !is_owner(child) || is_admitted())
		return 0;
	return refuse();
}
