/* SPDX-License-Identifier: GPL-2.0 */
/* Knobs and maps. Each map says what happens when it is full or its helper fails; every such failure is counted. */
#ifndef BOUHEKI_MAPS_H
#define BOUHEKI_MAPS_H

#include "kernel.bpf.h"
#include "read.bpf.h"
#include "wire.h"

/*
 * The source makes five objects. The plain one needs Linux 5.12: task storage, bpf_d_path() in bprm_committed_creds,
 * pointers as arguments of global functions. LEGACY does without, for 5.8 to 5.11. FMOD_RET makes either of them of
 * programs that change the return value of the kernel's own functions instead of LSM programs; the plain one needs
 * Linux 5.13 then, for task storage. CGROUP_BACKEND, which implies LEGACY, has programs of the cgroup kind.
 */
/* A second judge, see second/judge.bpf.h: of programs that are not in a cgroup, and keep all they know in maps. */
#if defined(LEGACY) && !defined(CGROUP_BACKEND)
#define SECOND_JUDGE
#endif

#ifdef LEGACY
#define GLOBAL static __always_inline
#define GLOBAL_OR_STATIC static __noinline
#else
/*
 * The verifier goes through a global function once, not once for every path that leads there. What its arguments point
 * to can be no key of a map before 5.19.
 */
#define GLOBAL __noinline
#define GLOBAL_OR_STATIC __noinline
#endif

/* Set by the loader before load. */
const volatile struct knobs knobs SEC(".rodata.knobs");

const volatile struct interpreter interpreters[INTERPRETERS] SEC(".rodata.interpreters");

/* The daemon writes these through a mapping; see wire.h. */
struct control control SEC(".data.control") = {.epoch = 1};

/* Full: the connection is folded, see `folds`; the verdict stands. Sized by the loader. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} connections SEC(".maps");

/* Denials have a ring of their own, so that a flood of allowed connections can't hide one. Full: as above. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} denials SEC(".maps");

/* Arrays of fixed size: a lookup with a constant key can't fail. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct tables);
} policy SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct tables6);
} policy6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct tables6_low);
} policy6_low SEC(".maps");

/*
 * How many ends of rules of a side have come: see struct tables. A function of its own, so that the verifier goes
 * through it once.
 */
__noinline __u32 ends_passed(__u32 side)
{
	__u32 key = side & 1, passed = 0;
	struct tables *tables = bpf_map_lookup_elem(&policy, &key);
	__u64 now = bpf_ktime_get_boot_ns();

	if (!tables)
		return 0;
#pragma unroll
	for (__u32 step = (MAX_ENDS + 1) / 2; step; step /= 2) {
		__u32 at = passed + step - 1;

		KEEP(at);
		passed += step & (is_below(now, tables->end[at & MAX_ENDS]) - 1);
	}
	return passed;
}

/*
 * The version that counts now: see struct control. The deadline is read first, as the daemon makes `version` the
 * fallback before it takes the deadline away; `next_end` is read before `ended`, which the daemon writes first.
 */
static __always_inline __u64 version_in_force(void)
{
	__u64 deadline = *(volatile __u64 *)&control.deadline, version = *(volatile __u64 *)&control.version, end;
	__u32 side, ended;

	if (deadline && bpf_ktime_get_boot_ns() >= deadline)
		version = (version & ~(VERSION_SUBJECTS - 1)) | control.fallback;
	side = version & 1;
	end = *(volatile __u64 *)&control.next_end[side];
	ended = *(volatile __u32 *)&control.ended[side];
	if (end && bpf_ktime_get_boot_ns() >= end)
		ended = ends_passed(side);
	return version + 2 * ended;
}

/* How many ends of rules have come under a version. */
static __always_inline __u32 ends_under(__u64 version)
{
	__u32 ended = ((__u32)version - control.generation[version & 1]) / 2;

	KEEP(ended);
	return ended & MAX_ENDS;
}

/* The boxes that hold under a version: those whose end has not come. */
static __always_inline struct vector *lasting_under(struct tables *tables, __u64 version)
{
	return &tables->lasting[ends_under(version)];
}

/* An array too. Counts are exact: the task that adds may be preempted. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/*
 * Written by the daemon, which fails the swap when it is full, and by list_deep_cgroup(). A miss means that no box
 * names the value. But for SUBJECT_EXE_INSIDE: there a miss of the mount namespace too means that the daemon has not
 * found out yet what the paths of a policy mean in it, or that it is no container's own. Until then every deny rule for
 * an executable of that container holds for all that runs there, and no allow rule does.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_SUBJECT_KEYS);
	__type(key, struct subject_key);
	__type(value, struct vector);
} subjects SEC(".maps");

/*
 * The same for cgroups that a user can have made: of these there may be any number, and none takes the room of another
 * key. Full: `unlisted` of struct control says so, and where a cgroup of theirs is not listed it can't be told what
 * holds.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_USER_CGROUPS);
	__type(key, struct subject_key);
	__type(value, struct vector);
} user_cgroups SEC(".maps");

/*
 * Which boxes will accept a cgroup that root makes. Written by the daemon: what an entry says becomes one of `subjects`
 * when the cgroup is made. Full: rules hold for a cgroup without an entry as soon as the daemon has heard of it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_EXPECTED_CGROUPS);
	__type(key, struct expected_cgroup);
	__type(value, struct vector);
} expected_cgroups SEC(".maps");

/*
 * Identity of each thread group, in the storage of its leader. Failure to create it: LOST_IDENTITY, and the
 * executable is unknown, so that no `exe` allow rule matches and every `exe` deny rule does.
 */
struct {
#ifndef LEGACY
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
#else
	/* Removed when the leader goes. Full: as above. */
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct leader_key);
#endif
	__type(value, struct image);
} identities SEC(".maps");

/* The kernel's allocator gives 1 KB or 2 KB; what heads an element of a map takes less than 128 bytes of it. */
_Static_assert(sizeof(struct image) <= 1024 - 128, "an image fits in 1 KB");

/*
 * What interpreters run, in the storage of the leader; only they have an entry. Failure to create it: LOST_IDENTITY,
 * and the script is unknown, so that no `script` allow rule matches and every `script` deny rule does.
 */
struct {
#ifndef LEGACY
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
#else
	/* Removed when the leader goes. */
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct leader_key);
#endif
	__type(value, struct script);
} scripts SEC(".maps");

/*
 * Whose records count together: a user of the host, with all processes, threads, names, user namespaces and ids of its
 * own. root's are told apart by their cgroups, which only root can make for them.
 */
struct share_key {
	__u64 cgroup; /* id; 0 unless uid is 0 */
	__u32 uid;
	__u32 container; /* PROCESS_IN_CONTAINER */
};

/* By when, in nanoseconds since boot, what was used of a share is paid off; and what it has of an epoch. */
struct share {
	__u64 due[SHARES];
	__u32 epoch;
	__u32 folds;
	__u32 repeats;
	__u32 pad;
};

/* Evicts by itself; a share that is forgotten starts anew. Failure: what would need a share is folded. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_SHARES);
	__type(key, struct share_key);
	__type(value, struct share);
} shares SEC(".maps");

/*
 * Connections beyond a share or a full ring, counted exactly: the daemon reads and removes an epoch after nobody adds
 * to it any more. Full: LOST_DENIAL or LOST_CONNECTION.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_FOLDS);
	__type(key, struct connection);
	__type(value, struct fold);
} folds SEC(".maps");

/* An array, which the daemon reads through a mapping: see hook/repeat.bpf.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_REPEATS);
	__type(key, __u32);
	__type(value, struct repeat);
} repeats SEC(".maps");

/* The slots of `repeats` that are free, put there by the daemon. Empty: what may repeat is reported one by one. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, MAX_REPEATS);
	__type(value, __u32);
} free_repeats SEC(".maps");

/* `rest` is a sum of all but the process. */
struct repeat_key {
	__u64 process;
	__u64 rest;
};

/* The slot in `repeats`. Evicts by itself: what is forgotten takes another slot. Failure: as above. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_REPEATS);
	__type(key, struct repeat_key);
	__type(value, __u32);
} repeating SEC(".maps");

/* A slot in `repeats` that a thread has counted in, and what it counts; not valid unless `epoch` is that in force. */
struct counted {
	__u64 high;
	__u64 low;
	__u64 rest;   /* port, protocol << 16, family << 32, operation << 40, probe << 48 */
	__u64 socket; /* socket_number() of the one that has sent last; 0: not known */
	__u32 slot;
	__u32 epoch;
};

#define COUNTED 4

/* A destination that a subject was judged for, and what decide() returned; `rest` is 0 in an empty entry. */
struct decision {
	__u64 high;
	__u64 low;
	__u64 rest; /* rest_of_flow() without the operation */
	__u32 box;
	__u32 pad;
};

#define DECISIONS 4

/* What a thread was allowed last, see second/mark.bpf.h; `rest` is 0 where it was nothing. */
struct allowed {
	__u64 high;
	__u64 low;
	__u64 rest; /* as of a decision, but the kind of operation << 40 */
	__u64 version;
};

/* What a thread's connections are judged by, valid while everything that it was made from is unchanged. */
struct subject {
	__u64 version; /* of struct control; 0: not worked out */
	__u64 cgroup;  /* id */
	__u64 place;   /* what stands for the cgroup when a hook compares; see cgroup_place() */
	__u64 started; /* of the thread; with `exec` only in subjects_by_thread */
	__u64 exec;
	__u32 uid;
	__u32 gid;
	__u32 euid;
	__u32 egid;
	__u32 fsuid;
	__u32 fsgid;
	__u64 process;
	__u32 pid;	 /* thread group */
	__u32 flags;	 /* PROCESS_* */
	__u32 by_groups; /* supplementary groups may have decided */
	__u32 reported;	 /* the process record is out: 1 in the connections' ring, 2 in that of denials */
	/* Of its cgroups, CGROUPS_*. Here rather than in registers, whose values would each be a path to the verifier.
	 */
	__u32 cgroups;
	__u32 monitored; /* what it is denied is reported, and goes through */
	__u64 opened;	 /* see note_opening() */
	char comm[COMM_SIZE];
	struct share_key share;
	struct decision decisions[DECISIONS];
	struct counted counted[COUNTED];
#ifdef SECOND_JUDGE
	struct allowed allowed;
#endif
	struct vector boxes;
	/* Room to work in: the stack has none. */
	struct vector work;
};

#ifndef LEGACY
/* A cache. Failure to create an entry: subjects_by_thread serves. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct subject);
} subject_cache SEC(".maps");
#endif

/*
 * The same by thread id, allocated in advance; evicts by itself. When even here nothing can be had there is nowhere
 * to work the subject out: LOST_SUBJECT grows, and in block mode the connection is denied.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct subject);
} subjects_by_thread SEC(".maps");

/*
 * The connected sockets that were last allowed to send, to the peer they have: every connect() comes by here, so a
 * peer can't change unnoticed. A slot is shared by all sockets that fall on it and is written without a lock, so the
 * state is sealed with the socket that it is of: a mixture of two writers is not believed. A miss means judging again.
 */
struct socket_slot {
	/* volatile: other CPUs read along, so the stores happen. */
	volatile __u64 socket; /* socket_key(); 0: nothing is known */
	volatile __u64 sealed; /* generation << 32 | enum peer | pid, and mixed() of the socket over it */
};

/* A global rather than a map of its own: it costs no lookup. */
struct socket_slot sockets[SOCKET_SLOTS];

/* A UDP socket and one of its peers; the address as in struct flow. */
struct conversation_key {
	__u64 socket; /* socket_number() */
	__u64 high;
	__u64 low;
	__u64 port; /* and family << 32 */
};

/*
 * Who spoke first, for as long as they talk: see hook/reply.bpf.h. Evicts by itself; what is sent in a conversation
 * that is forgotten is judged.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_CONVERSATIONS);
	__type(key, struct conversation_key);
	__type(value, __u64);
} conversations SEC(".maps");

static __always_inline void count(enum counter which)
{
	__u32 key = which;
	__u64 *value = bpf_map_lookup_elem(&counters, &key);

	if (value)
		__sync_fetch_and_add(value, 1);
}

#endif
