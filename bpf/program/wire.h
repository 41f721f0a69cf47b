/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The contract between the kernel side and the daemon: what travels over the ring buffers and what the daemon
 * writes into maps. wire.ts mirrors it; a test compares both with the BTF of the compiled object.
 *
 * All numbers are in host byte order unless a comment says otherwise. Every struct is a multiple of 8 bytes with
 * explicit padding and no pointers.
 */
#ifndef BOUHEKI_WIRE_H
#define BOUHEKI_WIRE_H

#include "name/wire.h"

/* Limits. Exceeding one is an error when the policy is compiled, never a silent cut. */
#define MAX_BOXES 512		  /* boxes of a policy: one bit each */
#define VECTOR_WORDS 8		  /* MAX_BOXES / 64 */
#define MAX_INTERVALS 262144	  /* per family; n prefixes make at most 2n + 1 intervals */
#define MAX_ADDRESS_CLASSES 16384 /* distinct sets of boxes that an address can have */
#define MAX_PORT_CLASSES 2048	  /* distinct sets of boxes that a (protocol, port) can have */
#define MAX_SUBJECT_KEYS 65536	  /* uids, gids, executables, commands and cgroups named by a policy, both sides */
#define MAX_USER_CGROUPS 16384	  /* cgroups that others than root have made, both sides */
#define MAX_EXPECTED_CGROUPS 8192 /* both sides */
#define CGROUP_LISTED_EVERY 8	  /* among so many cgroups from any one upwards at least one is a key of a policy */
#define MAX_GROUPS 64		  /* supplementary groups of a process that are looked at */
#define SOCKET_SLOT_BITS 14
#define SOCKET_SLOTS (1 << SOCKET_SLOT_BITS) /* remembered verdicts of connected sockets */
#define MAX_CONVERSATIONS 65536		     /* of UDP sockets; the least recently used one is forgotten */
#define MAX_FOLDS 16384			     /* distinct folded connections of an epoch and the one before */
#define SHARE_FOLDS 256			     /* of these, in an epoch, for all that has one share */
#define MAX_REPEATS 8192		     /* kinds of allowed datagrams that are counted at one time */
#define SHARE_REPEATS 1024		     /* of these, in an epoch, for all that has one share */
#define MAX_ENDS 511			     /* different ends of rules of a policy; one less than a power of two */
#define MAX_SHARES 4096			     /* who has a share at one time; the least recently used one starts anew */

#define COMM_SIZE 16 /* TASK_COMM_LEN: 15 bytes and a NUL */
#define NODENAME_SIZE 64
#define PATH_SIZE 256
#define ARGUMENTS_SIZE 256
#define CGROUP_PATH_SIZE 512
#define ANCESTORS 3
/* With three of them an image is kept in 1 KB of the kernel's, with PATH_SIZE in 2 KB. */
#define ANCESTOR_PATH_SIZE 128

/* The first byte of every record in a ring. */
enum record_kind {
	RECORD_CONNECTION = 1,
	RECORD_PROCESS = 2,
	RECORD_CGROUP = 3,
	RECORD_EXCESS = 4, /* in no ring: see struct fold */
	RECORD_ANSWER = 5,
};

/* What the process did. A UDP connect() is an intent: it sends nothing yet. */
enum operation {
	OPERATION_CONNECT = 0,
	OPERATION_SEND = 1,
	OPERATION_INTENT = 2,
	OPERATION_OPEN = 3, /* a socket that no destination can be judged by; see enum socket_kind */
};

/*
 * Sockets and options with which a process chooses what leaves the host without naming it to a hook. Opening one is
 * judged by itself: `family` of its record is 0, `port` is the kind, `protocol` what was asked for.
 */
enum socket_kind {
	SOCKET_RAW = 1,		 /* SOCK_RAW of IPv4 and IPv6, IP_HDRINCL */
	SOCKET_PACKET = 2,	 /* AF_PACKET and AF_XDP: frames of one's own */
	SOCKET_OTHER = 3,	 /* other families and protocols: SCTP, DCCP, UDP-Lite, L2TP, SMC, RDS, VSOCK, ... */
	SOCKET_SOURCE_ROUTE = 4, /* IPv4 options and IPv6 routing headers: the first hop is not the address named */
	SOCKET_KINDS = 8,	 /* a power of two, so that a mask bounds an index */
};

enum verdict { VERDICT_ALLOW = 0, VERDICT_DENY = 1 };

/* No box decided: the default of a policy is to deny, of no policy to allow. */
#define NO_BOX 0xffffffff

/* struct connection, flags */
#define CONNECTION_BLOCKED 1 /* the caller got -EPERM, not only a would-be denial */
#define CONNECTION_JUDGED 2  /* a policy was in force */
#define CONNECTION_IN_CONTAINER 4
#define CONNECTION_NAMED 8 /* by which names the address was known has decided */

/* One attempt to send. 96 bytes. */
struct connection {
	__u8 kind; /* RECORD_CONNECTION */
	__u8 operation;
	__u8 verdict; /* in monitor mode the would-be verdict */
	__u8 flags;   /* CONNECTION_* */
	__u8 family;  /* 4 or 6; an IPv4-mapped address is 4 */
	__u8 pad[3];
	__u64 time;	  /* nanoseconds since boot, suspend included */
	__u64 process;	  /* key of the process record that describes the caller */
	__u8 address[16]; /* network order; IPv4 in the first 4 bytes: 10.0.1.71 is 0a 00 01 47 */
	__u32 uid;	  /* real, in the initial user namespace */
	__u32 euid;	  /* effective */
	__u32 fsuid;	  /* by which files are opened; setfsuid(2) */
	__u32 gid;
	__u32 egid;
	__u32 fsgid;
	__u32 pid;	  /* thread group id */
	__u32 box;	  /* index of the deciding box, or NO_BOX */
	__u16 port;	  /* 443; 0 where the protocol has none */
	__u16 protocol;	  /* IANA number; MPTCP is 6 */
	__u32 generation; /* low half of the policy generation that judged, whatever ends have come */
	char comm[COMM_SIZE];
};

/* struct process, flags */
#define PROCESS_IN_CONTAINER 1 /* see docs/containers.md */
#define PROCESS_MEMFD 2	       /* the executable has no name in any file system */
#define PROCESS_DELETED 4      /* the executable was already unlinked at exec */
#define PROCESS_SECURE_EXEC 8  /* setuid, setgid or file capabilities */
#define PROCESS_PATH_TRUNCATED 16
#define PROCESS_PRIMED 32	  /* read from /proc when we started, not seen at exec */
#define PROCESS_FOREIGN_MOUNT 64  /* exec in a mount namespace other than the host's */
#define PROCESS_PATH_NAMES 128	  /* path holds names from the leaf to the root, NUL after each */
#define PROCESS_UNKNOWN 256	  /* not seen at exec and not primed: device, inode and path are of no use */
#define PROCESS_FOREIGN_USERS 512 /* that mount namespace is of another user namespace: any user can make one */
#define PROCESS_SCRIPT 1024	  /* an interpreter, and it is known what script it runs */
#define PROCESS_SCRIPT_LOST 2048  /* an interpreter, and there was no room to keep what script it runs */
/*
 * Its file or its root directory are not of its mount namespace as whoever made that meant it: any user can change its
 * own root in a user namespace, and with it the libraries and settings of what it executes.
 */
#define PROCESS_FOREIGN_ROOT 4096
#define PROCESS_SHARES_MEMORY 8192 /* with the process that forked it (CLONE_VM), and has executed nothing since */
#define PROCESS_OTHER_ROOT 16384   /* its root directory is not that of its mount namespace */
#define PROCESS_PATH_GONE 32768	   /* the name was unlinked: the path ends with ` (deleted)`, which is no part of it */

/*
 * A process that started another one, directly or not: see "Ancestors" in docs/identity.md. All of it is zero where
 * there is none, or where it is not known.
 */
struct ancestor {
	__u64 started;	      /* as in struct process */
	__u32 pid;	      /* thread group id; 0: none */
	__u32 flags;	      /* PROCESS_PRIMED and, with a path, PROCESS_PATH_NAMES, as its identity had them */
	char comm[COMM_SIZE]; /* of the thread group leader */
	char path[ANCESTOR_PATH_SIZE]; /* of its executable, as in struct process; empty where unknown or longer */
};

/* A process image, sent once, just before its first connection. */
struct process {
	__u8 kind; /* RECORD_PROCESS */
	__u8 pad[3];
	__u32 flags; /* PROCESS_* */
	__u64 time;  /* as in struct connection */
	__u64 key;
	__u64 started; /* start of the thread group leader, nanoseconds since boot */
	__u64 cgroup;  /* id in the cgroup v2 hierarchy: the inode number of its directory */
	__u64 inode;   /* of the executable */
	__u32 device;  /* kernel encoding: major << 20 | minor */
	__u32 pid;
	__u32 parent_pid; /* at the time of the record, as is parent_comm */
	__u32 mount_namespace;
	__u32 pid_namespace;
	__u32 network_namespace;
	char comm[COMM_SIZE];
	char parent_comm[COMM_SIZE];
	char nodename[NODENAME_SIZE];
	char path[PATH_SIZE];		      /* of the executable at exec, as the host sees it */
	char script[PATH_SIZE];		      /* with PROCESS_SCRIPT: absolute, as struct script has it */
	char arguments[ARGUMENTS_SIZE];	      /* NUL between arguments; cut at the limit */
	char cgroup_path[CGROUP_PATH_SIZE];   /* names from the leaf to the root, NUL after each; `...` where cut */
	struct ancestor ancestors[ANCESTORS]; /* of the image, the nearest first */
};

/* A cgroup was made: the daemon finds out whose it is before the first connection from it, if it can. */
struct cgroup_made {
	__u8 kind; /* RECORD_CGROUP */
	__u8 pad[7];
	__u64 cgroup;
	char cgroup_path[CGROUP_PATH_SIZE]; /* as in struct process */
};

/*
 * Equal connections beyond a share, in the map `folds`. Its key is a struct connection whose `time` is the epoch, see
 * struct control; process and pid are 0 where the process record was beyond the share too. Where there is no room to
 * tell connections apart, `kind` is RECORD_EXCESS, and of the other fields only these say anything: verdict, flags
 * (but for CONNECTION_JUDGED), uid, and, where that is 0, process, which is the id of the cgroup.
 */
struct fold {
	__u64 count;
	__u64 first; /* as time in struct connection */
	__u64 last;
};

/*
 * Equal allowed datagrams of a process that followed one which was reported, at most a second later: see repeat.bpf.h.
 * An element of the map `repeats`, which the daemon reads through a mapping. 256 bytes.
 */
struct repeat {
	struct connection connection; /* what they have in common; time is that of the first of them */
	__u64 count;
	__u64 last;  /* as time in struct connection */
	__u64 begun; /* when the one before them was reported */
	__u32 epoch; /* of struct control, in which it was taken; 0: free. The daemon frees it */
	__u32 pad;
	__u64 own[16]; /* of the kernel side: struct again */
};

/*
 * A file as the kernel has it in memory. Inode and device alone may be those of another one: on btrfs each subvolume
 * counts for itself, on an overlay each of its layers.
 */
struct file_object {
	__u64 object; /* no other file has it while this one is open or runs: see object_of(); 0: not known */
	__u64 inode;
	__u32 device;	  /* as in struct process */
	__u32 generation; /* i_generation: of this use of the inode number, where the file system keeps one */
};

/* What exec saw; kept per thread group, and written by the daemon for processes older than itself. */
struct identity {
	struct file_object file;
	__u64 reported[2]; /* by ring, denials second: key of the process record sent last, plus the tellings so far */
	__u32 flags;	   /* PROCESS_* */
	__u32 path_length; /* with the last NUL; 0 when it is not known in full */
	__u32 mount_namespace; /* at exec, where the path means this file */
	__u32 pad;
	char path[PATH_SIZE];
};

/* What the iterator `open_files` writes of each open file of the process that reads it, and of that process's children.
 */
struct open_file {
	struct file_object file;
	__u32 fd;
	__u32 own; /* 1: of the process that reads; 0: of a child */
};

/* What the iterator `running_programs` writes of each process that has a program. */
struct running_program {
	struct file_object file;
	__u64 started; /* as in struct process */
	__u32 pid;     /* thread group id, in the initial pid namespace */
	__u32 flags;   /* PROCESS_FOREIGN_*, by the root directory that it has now */
};

/*
 * Who started an image: kept behind the identity, and written by the daemon for processes older than itself. `maker` is
 * the process that forked this one since it executed its image: the nearest ancestor of what this one executes. Its
 * path is that of the identity, which they share.
 */
struct lineage {
	__u64 maker_started;
	__u32 maker_pid; /* 0: it has executed its image itself */
	__u32 pad;
	char maker_comm[COMM_SIZE];
	struct ancestor ancestors[ANCESTORS];
};

/* What is kept of a thread group. */
struct image {
	struct identity identity;
	struct lineage lineage;
};

/* The script that an interpreter runs, kept beside the identity; written by the daemon for processes older than itself.
 */
struct script {
	__u64 sum[2];		  /* of the path's bytes: see sum_path() in script.bpf.h */
	char path[2 * PATH_SIZE]; /* /opt/job.py; shorter than PATH_SIZE, the rest is room to work in */
};

#define INTERPRETERS 16 /* a power of two, so that a mask bounds an index */
#define LONG_OPTIONS 4

/*
 * How an interpreter reads its arguments up to the script, as far as that takes no more than this. Letters are bits: a
 * is 0, A is 26. An option that is in no set may mean anything, and no script is known then. Fixed at load.
 */
struct interpreter {
	__u64 name;   /* NUL padded */
	__u64 plain;  /* options without a value */
	__u64 valued; /* options whose value is the rest of the word or, when there is none, the next word */
	__u64 valued_words[LONG_OPTIONS]; /* the first 8 bytes behind -- of long options whose value is the next word */
	__u64 unknown_words[LONG_OPTIONS]; /* of those that there is no script with, or none that we could tell */
	__u32 name_length;
	__u32 long_options; /* 1 when all others are without a value; 0 when it has none that we know */
};

/* Key of an identity on kernels without task storage. */
struct leader_key {
	__u64 started;
	__u32 pid;
	__u32 pad;
};

/* A set of boxes: bit i % 64 of word i / 64 is box i. Deny boxes come first. */
struct vector {
	__u64 word[VECTOR_WORDS];
};

enum subject_kind {
	SUBJECT_UID = 0,	    /* a = uid */
	SUBJECT_GID = 1,	    /* a = gid */
	SUBJECT_EXE = 2,	    /* a = inode, b = device: a file of the host, and perhaps others */
	SUBJECT_COMMAND = 3,	    /* a, b = comm, NUL padded */
	SUBJECT_COMMAND_PREFIX = 4, /* a, b = the first `length` bytes of comm, NUL padded */
	SUBJECT_CGROUP = 5,	    /* a = cgroup id; the innermost ancestor that is listed decides */
	SUBJECT_SCRIPT = 6,	    /* a, b = the sum of struct script */
	/*
	 * a = inode, b = mount namespace << 32 | device: a file of a container, and perhaps others. a = 0, device 0:
	 * for every other file, which says that it is known what the paths of a policy mean in that mount namespace.
	 */
	SUBJECT_EXE_INSIDE = 7,
	SUBJECT_KINDS = 8,	/* of those above; the following ones narrow SUBJECT_EXE and SUBJECT_EXE_INSIDE down */
	SUBJECT_EXE_OBJECT = 8, /* a = object, b = inode ^ generation << 32: just that file */
	SUBJECT_EXE_INSIDE_OBJECT = 9, /* the same, b ^ mount namespace << 32 */
};

struct subject_key {
	__u32 side; /* generation & 1 */
	__u16 kind;
	__u16 length; /* SUBJECT_COMMAND_PREFIX only */
	__u64 a;
	__u64 b;
};

#define EXPECTED_NAME_SIZE 64

/* A cgroup that root has not made yet, or makes again: the one above it, and its name, NUL padded. */
struct expected_cgroup {
	__u64 above; /* id */
	__u32 side;  /* generation & 1 */
	__u32 pad;
	char name[EXPECTED_NAME_SIZE];
};

/* Where ports live in `struct tables`. Protocols without ports use `protocol_class`. */
enum port_slot { PORT_TCP = 0, PORT_UDP = 1, PORT_SCTP = 2, PORT_UDPLITE = 3, PORT_DCCP = 4, PORT_SLOTS = 5 };

/*
 * One side of the compiled policy but for IPv6 and subjects. An address lies in the last interval whose start is
 * not above it; root4[h] is the interval of h.0, where h is the upper half of an IPv4 address, so that a search is
 * confined to [root4[h], root4[h + 1]].
 */
struct tables {
	struct vector any[SUBJECT_KINDS]; /* boxes that don't name this subject dimension */
	struct vector deny;		  /* the deny boxes */
	struct vector inside;		  /* those too, and boxes that name a container or an image */
	struct vector backstop;		  /* deny boxes that name addresses and nothing else */
	struct vector modes;		  /* boxes without destinations, behind all others: see keep_mode() */
	/*
	 * Rules that end by themselves: when, nanoseconds since boot, ascending, the rest all ones; and the boxes that
	 * still hold, by the number of ends that have come.
	 */
	__u64 end[MAX_ENDS + 1];
	struct vector lasting[MAX_ENDS + 1];
	struct vector intent;		    /* boxes that decide over a connect() which sends nothing */
	struct vector socket[SOCKET_KINDS]; /* boxes that name this kind of socket */
	struct vector nameless;		    /* boxes that decide whatever names the address is known by */
	/* Of the others: those that still count when so many of the times in `keep` have passed since the end of a TTL.
	 */
	struct vector kept[MAX_KEEPS + 1];
	__u32 keep[MAX_KEEPS]; /* seconds, ascending; the rest and a time without end are all ones */
	__u32 keep_pad;
	__u32 last_interval6;	/* index of the last IPv6 interval in use */
	__u32 command_prefixes; /* number of SUBJECT_COMMAND_PREFIX keys */
	__u32 source_routes;	/* as long as fewer ends have come, some subject may route by the source */
	__u32 pad;
	__u32 root4[65536 + 2];
	__u32 start4[MAX_INTERVALS];
	__u16 class4[MAX_INTERVALS];
	__u16 port_class[PORT_SLOTS][65536];
	__u16 protocol_class[256];
	struct vector address[MAX_ADDRESS_CLASSES];
	struct vector port[MAX_PORT_CLASSES];
	struct vector name[MAX_NAME_CLASSES]; /* boxes that a name opens, by its class in `patterns` */
};

/* IPv6 intervals: upper halves of the starts. Padded with all ones. */
struct tables6 {
	__u64 high[MAX_INTERVALS];
};

struct tables6_low {
	__u64 low[MAX_INTERVALS];
	__u16 class6[MAX_INTERVALS];
};

/* struct side, flags */
#define SIDE_POLICY 1	  /* judge; without it everything is allowed */
#define SIDE_BLOCK 2	  /* deny for real, all subjects or some */
#define SIDE_CONTAINERS 4 /* leave processes outside containers alone, unrecorded */
#define SIDE_RECORD 8	  /* report allowed connections too; denials always are */
#define SIDE_MONITORS 16  /* beside SIDE_BLOCK: some subjects are only monitored, which a packet does not show */

/* What there are shares of: bytes of the two rings, and of records of new cgroups. */
enum share_kind { SHARE_DENIALS = 0, SHARE_CONNECTIONS = 1, SHARE_CGROUPS = 2, SHARES = 3 };

/* Fixed at load. */
struct knobs {
	__u32 host_mount_namespace; /* inum of /proc/1/ns/mnt, which differs between kernels */
	__u32 host_network_namespace;
	__u32 second_judge; /* whether what is allowed is marked for it */
	__u32 pad;
	__u64 crowded;	     /* bytes in the ring of connections from which on shares count there */
	__u64 burst[SHARES]; /* nanoseconds that a share may be used ahead of its time */
	__u64 cost[SHARES];  /* nanoseconds that a byte of a record takes of it */
};

#define VERSION_SUBJECTS (1ULL << 32) /* what is added for new subjects; 1 is added for a new policy */
#define CANARY_ADDRESS 0xc0000201     /* 192.0.2.1, reserved for documentation (RFC 5737): no real destination */

/*
 * Written by the daemon through a mapping. Every hook reads `version` once: the lower half is the generation of the
 * policy, whose lowest bit is the side in force; the upper half grows when cached subjects must be worked out anew
 * under the same policy, because a process moved between cgroups or the daemon learnt about another one. Once
 * `deadline` has passed, the generation is `fallback`, whoever is still there to see to it: version_in_force(). To that
 * 2 is added for each end of a rule that has come, so that nothing counts that was decided before.
 */
struct control {
	__u64 version;
	__u32 flags[2];	     /* SIDE_* of each side */
	__u32 deny_boxes[2]; /* number of deny boxes of each side */
	__u32 canary;	     /* thread group whose connections to CANARY_ADDRESS are denied, unrecorded; or 0 */
	__u32 tellings;	     /* grows when processes are to be reported again at their next connection */
	__u32 epoch;	     /* of folds and repeats, never 0: grows before those so far are read and removed */
	__u32 unlisted[2];   /* of each side, whether a cgroup that a user has made found no room in `user_cgroups` */
	__u32 fallback; /* the generation before, on the other side, which is kept until the new one is confirmed */
	__u64 deadline; /* by when that must be, nanoseconds since boot; 0 where nothing waits for it */
	/*
	 * Of a policy that outlives the daemon: from when on nobody lists cgroups any more, nanoseconds since boot, 0
	 * for never; and the last cgroup that was looked at before. Ids of cgroups grow.
	 */
	__u64 alone_from;
	__u64 last_cgroup;
	/*
	 * Of each side: when the next of its rules ends, nanoseconds since boot, 0 where none does; how many ends had
	 * come before that; and its generation, without them.
	 */
	__u64 next_end[2];
	__u32 ended[2];
	__u32 generation[2];
};

/* Per-CPU counters. */
enum counter {
	LOST_CONNECTION = 0,  /* ring full, allowed connection */
	LOST_DENIAL = 1,      /* ring full, denied connection */
	LOST_PROCESS = 2,     /* ring full, process record; tried again at its next connection */
	LOST_IDENTITY = 3,    /* storage failed at exec, fork or lookup: the executable is unknown */
	LOST_SUBJECT = 4,     /* no room to judge; see subjects_by_thread */
	STOPPED_PACKET = 5,   /* packets that the backstop dropped */
	LOST_CGROUP = 6,      /* ring full, cgroup record; or no cgroup of a policy found above a process */
	STOPPED_ROUTE = 7,    /* packets dropped for their source route */
	SKIPPED_RUN = 8,      /* the kernel left a program out; it counts these itself, and the daemon adds them here */
	STOPPED_UNJUDGED = 9, /* packets that the second judge dropped, because the first one was left out */
	COUNTERS = 10,
};

#endif
