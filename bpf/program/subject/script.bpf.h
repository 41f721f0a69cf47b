/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which script an interpreter runs: the file with the `#!` line, else the first argument that is no option, as a path.
 * Taken at exec, because a process can change its arguments and its directory afterwards. It is what the start said:
 * what is read in the end is up to the interpreter, its settings and whoever may write to the file.
 */
#ifndef BOUHEKI_SCRIPT_H
#define BOUHEKI_SCRIPT_H

#include "identity.bpf.h"

#define SCRIPT_ARGUMENTS 12 /* how many are looked at */
#define OPTION_LETTERS 16

enum option { OPTION_PLAIN, OPTION_WITH_VALUE, OPTION_LAST, OPTION_UNKNOWN };

static __always_inline struct script *script_of(struct task_struct *leader, bool create)
{
#ifndef LEGACY
	return bpf_task_storage_get(&scripts, leader, 0, create ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
#else
	static const struct script empty;
	struct leader_key key = {.started = READ(leader, start_boottime), .pid = READ(leader, tgid)};

	if (create)
		bpf_map_update_elem(&scripts, &key, &empty, BPF_ANY);
	return bpf_map_lookup_elem(&scripts, &key);
#endif
}

/* The caller's, where there is room for it: at exec. */
static __always_inline struct script *own_script(void)
{
	return script_of(READ(current_task(), group_leader), false);
}

/*
 * Index of the interpreter, or INTERPRETERS, by the name of the executable's file, to which a version may be added:
 * python3.11 is python.
 */
static __always_inline __u32 find_interpreter(struct file *file)
{
	__u64 name = 0;

	bpf_probe_read_kernel(&name, sizeof(name), BPF_CORE_READ(file, f_path.dentry, d_name.name));
	for (int i = 0; i < INTERPRETERS; i++) {
		__u32 bits = interpreters[i].name_length * 8;
		__u8 next = name >> (bits & 63);

		if (bits && (name & ((1ULL << (bits & 63)) - 1)) == interpreters[i].name &&
		    (!next || (next >= '0' && next <= '9')))
			return i;
	}
	return INTERPRETERS;
}

/*
 * What the argument is that stands in the room of the path. A function of its own, as some of the next ones, so that
 * the verifier goes through it once. These take no pointers, which is forbidden before 5.12.
 */
__noinline int read_option(__u32 which)
{
	const volatile struct interpreter *interpreter = &interpreters[which & (INTERPRETERS - 1)];
	struct script *script = own_script();
	const char *text;

	if (!script)
		return OPTION_UNKNOWN;
	text = script->path;

	if (text[1] == '-') {
		__u64 word = *(__u64 *)(text + 2);

		if (!text[2])
			return OPTION_LAST;
		if (!interpreter->long_options)
			return OPTION_UNKNOWN;
		for (int i = 0; i < LONG_OPTIONS; i++) {
			if (word == interpreter->unknown_words[i])
				return OPTION_UNKNOWN;
			if (word == interpreter->valued_words[i])
				return OPTION_WITH_VALUE;
		}
		return OPTION_PLAIN;
	}
	/* A lone - is standard input. */
	if (!text[1])
		return OPTION_UNKNOWN;
	for (int i = 1; i < OPTION_LETTERS; i++) {
		__u32 letter = (__u8)text[i], bit;

		if (!letter)
			return OPTION_PLAIN;
		bit = letter >= 'a' ? letter - 'a' : letter - 'A' + 26;
		if (bit > 51)
			return OPTION_UNKNOWN;
		/* The value is the rest of the word or the next one. */
		if (interpreter->valued >> bit & 1)
			return text[i + 1] ? OPTION_PLAIN : OPTION_WITH_VALUE;
		if (!(interpreter->plain >> bit & 1))
			return OPTION_UNKNOWN;
	}
	return OPTION_UNKNOWN;
}

/* Where in the user's memory the script's name begins; 0 when the arguments name none. */
__noinline __u64 find_script(__u32 which, __u64 at, __u32 count)
{
	enum option before = OPTION_WITH_VALUE; /* the first is the name of the interpreter */
	struct script *script = own_script();

	if (!script)
		return 0;
	for (int i = 0; i < SCRIPT_ARGUMENTS; i++) {
		long length;

		if (i >= count)
			return 0;
		/* Short words are compared with what follows them. */
		((__u64 *)script->path)[0] = 0;
		((__u64 *)script->path)[1] = 0;
		((__u64 *)script->path)[2] = 0;
		length = bpf_probe_read_user_str(script->path, PATH_SIZE, (void *)at);
		if (length <= 1 || length >= PATH_SIZE)
			return 0;
		if (before == OPTION_LAST || (before == OPTION_PLAIN && script->path[0] != '-'))
			return at;
		before = before == OPTION_PLAIN ? read_option(which) : OPTION_PLAIN;
		if (before == OPTION_UNKNOWN)
			return 0;
		at += length;
	}
	return 0;
}

static __always_inline long read_text(char *to, __u64 at, bool of_kernel)
{
	return of_kernel ? bpf_probe_read_kernel_str(to, PATH_SIZE, (void *)at)
			 : bpf_probe_read_user_str(to, PATH_SIZE, (void *)at);
}

#if defined(FMOD_RET) && !defined(LEGACY)
/*
 * The working directory as text into `path`, with a slash at its end, from the root directory of the process on: what
 * bpf_d_path() gives to programs of the LSM kind. Returns its length; 0 where it has more than PATH_DEPTH steps or no
 * room. Written from the end of the lower half of `path`; the upper one is there for the verifier, which does not see
 * that a name ends where the one before it began.
 */
__noinline int name_directory(void)
{
	struct script *script = own_script();
	struct fs_struct *fs = READ(current_task(), fs);
	struct dentry *dentry = BPF_CORE_READ(fs, pwd.dentry), *root = BPF_CORE_READ(fs, root.dentry);
	struct mount *mount = mount_of(BPF_CORE_READ(fs, pwd.mnt)), *root_mount = mount_of(BPF_CORE_READ(fs, root.mnt));
	__u32 start = PATH_SIZE - 1;

	if (!script)
		return 0;
	script->path[start] = '/';
	for (int i = 0; i < PATH_DEPTH; i++) {
		__u32 length;

		if (dentry == root && mount == root_mount) {
			bpf_probe_read_kernel(script->path, PATH_SIZE - start, &script->path[start]);
			return PATH_SIZE - start;
		}
		if (dentry == BPF_CORE_READ(mount, mnt.mnt_root)) {
			struct mount *above = BPF_CORE_READ(mount, mnt_parent);

			/* Above the root directory of the process. */
			if (above == mount)
				return 0;
			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			mount = above;
			continue;
		}
		length = BPF_CORE_READ(dentry, d_name.len);
		if (!length || length >= start)
			return 0;
		start -= length + 1;
		KEEP(start);
		start &= PATH_SIZE - 1;
		script->path[start] = '/';
		KEEP(length);
		bpf_probe_read_kernel(&script->path[start + 1], length & (PATH_SIZE - 1),
				      BPF_CORE_READ(dentry, d_name.name));
		dentry = BPF_CORE_READ(dentry, d_parent);
	}
	return 0;
}
#endif

#ifndef LEGACY
/* Length of the working directory, put into `path` with a slash at its end; 0 where it can't be had. */
static __always_inline __u32 working_directory(struct script *script)
{
#ifdef FMOD_RET
	return name_directory();
#else
	char *path = script->path;
	long length = bpf_d_path(&current_task()->fs->pwd, path, PATH_SIZE);

	if (length < 2 || length > PATH_SIZE)
		return 0;
	/* Of all directories only the root ends with a slash. */
	if (length == 2)
		return 1;
	path[(length - 1) & (PATH_SIZE - 1)] = '/';
	return length;
#endif
}
#endif

/* Makes the name absolute. Before 5.12 nothing gives the working directory as text, and a relative name is none. */
static __always_inline bool name_script(struct script *script, __u64 at, bool of_kernel)
{
	char *path = script->path;
	__u32 used = 0;
	long length;

	for (int i = 0; i < 4; i++) {
		if (read_text(path, at, of_kernel) < 2)
			return false;
		if (path[0] != '.' || path[1] != '/')
			break;
		at += 2;
	}
	if (path[0] != '/') {
#ifndef LEGACY
		used = working_directory(script);
		if (!used)
			return false;
#else
		return false;
#endif
	}
	KEEP(used);
	used &= 2 * PATH_SIZE - 1;
	if (used > PATH_SIZE)
		return false;
	length = read_text(&path[used], at, of_kernel);
	return length > 1 && used + length <= PATH_SIZE;
}

/*
 * Two sums in the manner of FNV-1a: a path is too long for the key of a map. False where the path may not be plain:
 * it has a slash with a slash or a dot behind it.
 */
__noinline int sum_path(void)
{
	__u64 first = 0xcbf29ce484222325ULL, second = 0x84222325cbf29ce4ULL;
	struct script *script = own_script();
	__u64 plain = 1, before = 0;

	if (!script)
		return false;
	for (int i = 0; i < PATH_SIZE; i++) {
		__u64 byte = (__u8)script->path[i], other;

		if (!byte)
			break;
		/* Without a branch: 0 only for a slash with a dot or a slash behind it, which differ in their last bit.
		 */
		other = (before ^ '/') | ((byte ^ '/') & ~1ULL);
		plain &= (other + 0xff) >> 8;
		before = byte;
		first = (first ^ byte) * 0x100000001b3ULL;
		second = (second ^ byte) * 0x9e3779b97f4a7c15ULL;
	}
	script->sum[0] = first;
	script->sum[1] = second;
	return plain;
}

/* Where make_plain() is, in the place of the sums that are made after it. */
struct plain_path {
	__u32 start; /* of what is kept so far, in the upper half of the path's room */
	__u32 end;   /* behind the name that is being copied to its front */
	__u32 skip;  /* names to leave out, because `..` came behind them */
	__u32 pad;
};

/* What is done at a slash: the name behind it is kept, or left out by its own meaning or by that of `..` behind it. */
__noinline int end_name(void)
{
	struct script *script = own_script();
	__u32 start, length;
	struct plain_path *at;
	char *upper, first, second;

	if (!script)
		return 0;
	at = (void *)script->sum;
	upper = script->path + PATH_SIZE;
	start = at->start;
	length = at->end - start;
	first = upper[start & (PATH_SIZE - 1)];
	second = upper[(start + 1) & (PATH_SIZE - 1)];
	if (!length || (length == 1 && first == '.')) {
		at->start = at->end;
	} else if (length == 2 && first == '.' && second == '.') {
		at->skip++;
		at->start = at->end;
	} else if (at->skip) {
		at->skip--;
		at->start = at->end;
	} else {
		start = (start - 1) & (PATH_SIZE - 1);
		upper[start] = '/';
		at->start = at->end = start;
	}
	return 0;
}

/* What is done at one byte of the path. */
__noinline int move_byte(__u32 index)
{
	struct script *script = own_script();
	struct plain_path *at;
	__u32 start;
	char byte;

	if (!script)
		return 0;
	at = (void *)script->sum;
	KEEP(index);
	byte = script->path[index & (PATH_SIZE - 1)];
	if (!byte) {
		/* What came so far lies behind the end. */
		at->start = at->end = PATH_SIZE - 1;
		at->skip = 0;
		return 0;
	}
	if (byte == '/')
		return end_name();
	start = (at->start - 1) & (PATH_SIZE - 1);
	script->path[PATH_SIZE + start] = byte;
	at->start = start;
	return 0;
}

/*
 * Takes `//`, `/./` and `/../` out of an absolute path, as text: a link before `..` leads elsewhere for the kernel, but
 * `script` is what the start said anyway. From the end, so that names are known to be left out when they are come to.
 */
__noinline int make_plain(void)
{
	struct script *script = own_script();
	struct plain_path *at;
	char *upper;

	if (!script)
		return 0;
	at = (void *)script->sum;
	upper = script->path + PATH_SIZE;
	upper[PATH_SIZE - 1] = 0;
	at->start = at->end = PATH_SIZE - 1;
	at->skip = 0;
	for (int i = PATH_SIZE - 1; i >= 0; i--)
		move_byte(i);
	return bpf_probe_read_kernel_str(script->path, PATH_SIZE, upper + (at->start & (PATH_SIZE - 1))) > 1;
}

/* Where the arguments begin in the memory of what is being executed. */
static __always_inline __u64 first_argument(struct linux_binprm *bprm)
{
#ifndef CGROUP_BACKEND
	return bprm->p;
#else
	/* The stack has come to its place, and the other pointer to its top. */
	return BPF_CORE_READ(current_task(), mm, arg_start);
#endif
}

/* Runs after remember_exec(), when the arguments are on the new stack but no code runs there yet. */
static __always_inline void remember_script(struct linux_binprm *bprm)
{
	bool has_line = bprm->interp != bprm->filename;
	__u32 which = has_line ? INTERPRETERS : find_interpreter(bprm->file);
	struct task_struct *leader;
	struct identity *identity;
	struct script *script;
	__u64 at;

	if (!has_line && which == INTERPRETERS)
		return;
	leader = READ(current_task(), group_leader);
	identity = identity_of(leader, false);
	script = script_of(leader, true);
	if (!identity || !script) {
		if (identity)
			identity->flags |= PROCESS_SCRIPT_LOST;
		count(LOST_IDENTITY);
		return;
	}
	at = has_line ? (__u64)bprm->filename : find_script(which, first_argument(bprm), bprm->argc);
	if (!at || !name_script(script, at, has_line))
		return;
	if (!sum_path()) {
		if (!make_plain())
			return;
		sum_path();
	}
	identity->flags |= PROCESS_SCRIPT;
}

/* After inherit_identity(). */
static __always_inline void inherit_script(struct task_struct *parent, struct task_struct *child)
{
	struct identity *identity;
	struct script *from, *to;

	if (child->group_leader->pid != child->pid)
		return;
	identity = identity_of(child, false);
	if (!identity || !(identity->flags & PROCESS_SCRIPT))
		return;
	from = script_of(parent->group_leader, false);
	to = script_of(child, true);
	if (from && to)
		*to = *from;
	else
		identity->flags = (identity->flags & ~PROCESS_SCRIPT) | PROCESS_SCRIPT_LOST;
}

#endif
