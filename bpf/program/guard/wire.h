/* SPDX-License-Identifier: GPL-2.0 */
/* The part of the contract in wire.h that is about the guard: whom it admits, and what it keeps from all others. */
#ifndef BOUHEKI_GUARD_WIRE_H
#define BOUHEKI_GUARD_WIRE_H

/*
 * No command of bpf(2): "bh". The kernel refuses it with EINVAL once the security modules were asked. Bits from 16 on
 * are flags in later kernels.
 */
#define GUARD_COMMAND 0x6268
#define GUARD_KEY_WORDS 4
#define GUARD_MOUNTS 8	   /* bpffs and the mounts above it */
#define GUARD_OBJECTS 1024 /* maps, programs and links of a daemon; it has about a hundred */

#define GUARD_FUNCTIONS 64

/* struct guarded, kind */
#define GUARDED_MAP 1
#define GUARDED_PROGRAM 2
#define GUARDED_LINK 3

/* What is guarded: an object of the kernel by its id. */
struct guarded {
	__u32 kind;
	__u32 id;
};

/* What is guarded for whom. `key` and `owner` are there before the programs are attached. */
struct guard {
	__u64 key[GUARD_KEY_WORDS]; /* who gives it in GUARD_COMMAND is admitted */
	__u64 owner_started;	    /* as in struct process, by the programs, when the owner gives the key */
	__u32 owner;		    /* thread group id: what it makes is guarded */
	__u32 device;		    /* of bpffs, as the kernel has it */
	__u64 root;		    /* inode of the folder of all pins */
	__u64 folder;		    /* inode of the folder of the owner's */
	__u32 mounts[GUARD_MOUNTS]; /* their ids; 0 ends the list */
	__u32 about;		    /* id of a map that others may read */
	/* Written by the programs. */
	__u32 making;  /* the owner is making a map or a program */
	__u64 refused; /* how often somebody was refused; who was last: */
	__u64 refused_pid;
	char refused_comm[16];
};

#endif
