/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which program a thread group runs, captured at exec and inherited on fork.
 *
 * Not from mm->exe_file at the time of the connection: prctl(PR_SET_MM_MAP) lets any user replace it from a user
 * namespace (kernel/sys.c, prctl_set_mm_map).
 */
#ifndef BOUHEKI_IDENTITY_H
#define BOUHEKI_IDENTITY_H

#include "lineage.bpf.h"

static __always_inline struct mount *mount_of(struct vfsmount *mnt)
{
	return (void *)mnt - bpf_core_field_offset(struct mount, mnt);
}

#define PATH_DEPTH 24
#define NAME_SIZE 64

/*
 * Collects the names up to the topmost mount, leaf first; the daemon turns them round. What root directory the process
 * has is of no account: of a program in a chroot jail of the host it is the path that the host has for it. Truncated
 * when the path has more than PATH_DEPTH steps, a longer name or more text than the buffer holds.
 */
static __always_inline void find_names(struct identity *identity, struct file *file)
{
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	struct mount *mount = mount_of(BPF_CORE_READ(file, f_path.mnt));
	/* In the map: the verifier would keep a path for each value that a register may have. */
	volatile __u32 *used = &identity->path_length;

	identity->flags |= PROCESS_PATH_NAMES | PROCESS_PATH_TRUNCATED;
	*used = 0;
#pragma unroll
	for (int i = 0; i < PATH_DEPTH; i++) {
		struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
		__u32 at;
		long length;

		if (dentry == parent || dentry == BPF_CORE_READ(mount, mnt.mnt_root)) {
			struct mount *above = BPF_CORE_READ(mount, mnt_parent);

			if (above == mount) {
				identity->flags &= ~PROCESS_PATH_TRUNCATED;
				*used = *used + 1;
				return;
			}
			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			mount = above;
			continue;
		}
		at = *used;
		KEEP(at);
		if (at > PATH_SIZE - NAME_SIZE)
			break;
		length = bpf_probe_read_kernel_str(&identity->path[at], NAME_SIZE, BPF_CORE_READ(dentry, d_name.name));
		if (length <= 1 || length >= NAME_SIZE)
			break;
		*used = at + length;
		dentry = parent;
	}
	*used = 0;
}

/*
 * The names of the caller's own program. A function of its own, as the next ones: so that the verifier goes through it
 * once, and not for all the ways that lead there.
 */
__noinline int name_own_program(void)
{
	struct task_struct *task = current_task();
	struct identity *identity = identity_of(READ(task, group_leader), false);
	struct file *file = BPF_CORE_READ(task, mm, exe_file);

	if (identity && file)
		find_names(identity, file);
	return 0;
}

/* After the flags. */
static __always_inline void find_path(struct identity *identity, struct file *file)
{
#if !defined(LEGACY) && !defined(FMOD_RET)
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	long length;

	/* The helper would begin at the root directory of the process; a container's files are known by that. */
	if ((identity->flags & (PROCESS_OTHER_ROOT | PROCESS_FOREIGN_MOUNT)) == PROCESS_OTHER_ROOT) {
		name_own_program();
		return;
	}
	if (!BPF_CORE_READ(dentry, d_hash.pprev) && dentry != BPF_CORE_READ(dentry, d_parent))
		identity->flags |= PROCESS_PATH_GONE;
	length = bpf_d_path(&file->f_path, identity->path, PATH_SIZE);
	/* Fails with -ENAMETOOLONG and leaves rubbish behind. */
	if (length < 0) {
		identity->path[0] = 0;
		identity->flags |= PROCESS_PATH_TRUNCATED;
		length = 0;
	}
	identity->path_length = length;
#else
	/* No helper gives a path before 5.12, nor to a program that is not of the LSM kind. */
	name_own_program();
#endif
}

/* Number of the task's mount namespace; 0 when it has none any more. */
static __always_inline __u32 mount_namespace_of(struct task_struct *task)
{
	struct nsproxy *nsproxy = READ(task, nsproxy);
	struct mnt_namespace *mounts = nsproxy ? READ(nsproxy, mnt_ns) : 0;

	return mounts ? READ(mounts, ns.inum) : 0;
}

static __always_inline bool in_host_mounts(struct task_struct *task)
{
	return mount_namespace_of(task) == knobs.host_mount_namespace;
}

/* Of those that are taken away there is none, and of those that are the kernel's own no real one: both read as 0. */
static __always_inline bool made_by_host(struct mnt_namespace *mounts)
{
	struct user_namespace *users = mounts ? BPF_CORE_READ(mounts, user_ns) : 0;

	return users && !BPF_CORE_READ(users, level);
}

/* How many may lie on each other at a root: what the kernel booted with, and what came over it. */
#define ROOT_MOUNTS 8

/* Whether it is the root directory that every process in a mount namespace begins with, whatever is mounted there. */
static __always_inline bool is_root_of(struct dentry *root, struct mount *mount, struct mnt_namespace *mounts)
{
	struct mount *bottom = BPF_CORE_READ(mounts, root);

	if (root != BPF_CORE_READ(mount, mnt.mnt_root))
		return false;
	for (int i = 0; i < ROOT_MOUNTS && mount != bottom; i++) {
		struct mount *below = BPF_CORE_READ(mount, mnt_parent);

		if (BPF_CORE_READ(mount, mnt_mountpoint) != BPF_CORE_READ(below, mnt.mnt_root))
			return false;
		mount = below;
	}
	return mount == bottom;
}

/*
 * Whether a process has a root directory that somebody chose who has no power over its mounts: in a user namespace of
 * its own every user may change it. Or one that somebody else can change at any time, because they share it (CLONE_FS).
 * Who has power over the mounts, as root of the host or of a container, may choose what root it likes.
 */
static __always_inline bool has_chosen_root(struct task_struct *task, bool other_root, struct mnt_namespace *mounts)
{
	if (BPF_CORE_READ(task, cred, user_ns) == BPF_CORE_READ(mounts, user_ns))
		return false;
	return BPF_CORE_READ(task, fs, users) > 1 || other_root;
}

/* Whose file system the program comes from, and what it loads and reads, as PROCESS_* flags. */
static __always_inline __u32 foreignness(struct task_struct *task, struct file *file)
{
	struct mount *file_mount = mount_of(BPF_CORE_READ(file, f_path.mnt));
	struct mount *root_mount = mount_of(BPF_CORE_READ(task, fs, root.mnt));
	struct mnt_namespace *mounts = BPF_CORE_READ(task, nsproxy, mnt_ns), *of_file, *of_root;
	bool other_root;
	__u32 flags = 0;

	of_file = BPF_CORE_READ(file_mount, mnt_ns);
	of_root = BPF_CORE_READ(root_mount, mnt_ns);
	if (mount_namespace_of(task) != knobs.host_mount_namespace)
		flags |= PROCESS_FOREIGN_MOUNT;
	if (!made_by_host(mounts) || !made_by_host(of_file) || !made_by_host(of_root))
		flags |= PROCESS_FOREIGN_USERS;
	if (of_file != mounts || of_root != mounts)
		flags |= PROCESS_FOREIGN_ROOT;
	other_root = mounts && !is_root_of(BPF_CORE_READ(task, fs, root.dentry), root_mount, mounts);
	if (other_root)
		flags |= PROCESS_OTHER_ROOT;
	if (mounts && has_chosen_root(task, other_root, mounts))
		flags |= PROCESS_FOREIGN_USERS | PROCESS_FOREIGN_ROOT;
	return flags;
}

/* Of the caller and what it runs; at exec that is mm->exe_file already. */
__noinline __u32 own_foreignness(void)
{
	struct task_struct *task = current_task();

	return foreignness(task, BPF_CORE_READ(task, mm, exe_file));
}

#ifdef LEGACY
/*
 * The caller's program, if it ran before us. The daemon cannot report it here, so it is taken to be what mm->exe_file
 * says now; see the top of this file for what that is worth.
 */
__noinline int adopt_running(void)
{
	struct task_struct *task = current_task();
	struct file *file = BPF_CORE_READ(task, mm, exe_file);
	struct identity *identity;

	/* A kernel thread that works for a process, as those of io_uring do before 5.12, soon works for another. */
	if (!file || READ(task, flags) & PF_KTHREAD || identity_of(READ(task, group_leader), false))
		return 0;
	identity = identity_of(READ(task, group_leader), true);
	if (!identity)
		return 0;
	describe_file(&identity->file, BPF_CORE_READ(file, f_inode));
	identity->flags = PROCESS_PRIMED | own_foreignness();
	identity->mount_namespace = mount_namespace_of(task);
	if (!BPF_CORE_READ(file, f_inode, i_nlink))
		identity->flags |= PROCESS_DELETED;
	find_path(identity, file);
	find_ancestors(lineage_of(identity)->ancestors, READ(task, group_leader));
	return 0;
}
#endif

/*
 * Runs at bprm_committed_creds, or sched_process_exec a little later: the exec has succeeded and `current` is the
 * thread group leader.
 */
static __always_inline void remember_exec(struct linux_binprm *bprm)
{
	struct task_struct *task = current_task();
	struct identity *identity = identity_of(READ(task, group_leader), true);
	struct file *file = bprm->file;
	__u32 flags = own_foreignness();

	if (!identity)
		return;
	remember_ancestors(identity, READ(task, group_leader));
	describe_file(&identity->file, file->f_inode);
	identity->reported[0] = identity->reported[1] = 0;
	identity->mount_namespace = mount_namespace_of(task);
	__builtin_memset(identity->path, 0, PATH_SIZE);
	if (!file->f_inode->i_nlink)
		flags |=
			file->f_inode->i_sb->s_magic == TMPFS_MAGIC ? PROCESS_MEMFD | PROCESS_DELETED : PROCESS_DELETED;
	if (BPF_CORE_READ_BITFIELD(bprm, secureexec))
		flags |= PROCESS_SECURE_EXEC;
	identity->flags = flags;
	find_path(identity, file);
}

/* Runs at sched_process_fork, before the child does: it runs its parent's program until it calls exec. */
static __always_inline void inherit_identity(struct task_struct *parent, struct task_struct *child)
{
	struct task_struct *leader = child->group_leader;
	struct identity *parents, *childs;

	/* A new thread shares its leader's identity. */
	if (leader->pid != child->pid)
		return;
	parents = identity_of(parent->group_leader, false);
	if (!parents)
		return;
	childs = identity_of(child, true);
	if (!childs)
		return;
	*(struct image *)childs = *(struct image *)parents;
	childs->reported[0] = childs->reported[1] = 0;
	if (child->mm == parent->mm) {
		childs->file.object = 0;
		childs->flags |= PROCESS_SHARES_MEMORY;
	}
	remember_maker(childs, parent->group_leader);
}

#ifdef CGROUP_BACKEND
/*
 * No hook reports that mm->exe_file was replaced; see forgets_file(). So when a subject is worked out the file must
 * still be the one that was executed.
 */
static __always_inline void compare_file(struct identity *identity)
{
	struct inode *inode = BPF_CORE_READ(current_task(), mm, exe_file, f_inode);

	if (inode && object_of(inode) != identity->file.object)
		identity->file.object = 0;
}
#endif

/*
 * Runs at task_prctl. A process that replaces mm->exe_file releases the file that it executes, and the kernel may
 * give the address of its object to another one, such as a program that is allowed. So the address is forgotten. Of
 * processes that share their memory only the first may replace it, since nothing leads from one of them to the others,
 * which have no object anyway. Returns whether it is refused.
 */
static __always_inline bool forgets_file(int option, unsigned long what)
{
	struct identity *identity;

	if (option != PR_SET_MM || (what != PR_SET_MM_EXE_FILE && what != PR_SET_MM_MAP))
		return false;
	identity = identity_of(READ(current_task(), group_leader), false);
	if (!identity)
		return false;
	if (identity->flags & PROCESS_SHARES_MEMORY && control.flags[version_in_force() & 1] & SIDE_BLOCK)
		return true;
	identity->file.object = 0;
	return false;
}

#endif
