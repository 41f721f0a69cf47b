/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which file this is, so that no other can pass for it: by the kernel's own object, whose address no other file gets as
 * long as a process holds the file open or runs it.
 */
#ifndef BOUHEKI_FILE_OBJECT_H
#define BOUHEKI_FILE_OBJECT_H

#include "../maps.bpf.h"
#include "../read.bpf.h"

#define NANOSECOND_BITS 0x3fffffff /* 6.13 keeps a flag above them */

/* Nanoseconds since 1970 of the last change of the inode: no user can choose it. Unlike an address it has no highest
 * bit. */
static __always_inline __u64 change_time(struct inode *inode)
{
	struct inode___private *renamed = (void *)inode;
	struct inode___split *split = (void *)inode;
	__u64 seconds, nanoseconds;

	if (bpf_core_field_exists(split->i_ctime_sec)) {
		seconds = BPF_CORE_READ(split, i_ctime_sec);
		nanoseconds = BPF_CORE_READ(split, i_ctime_nsec);
	} else if (bpf_core_field_exists(renamed->__i_ctime)) {
		seconds = BPF_CORE_READ(renamed, __i_ctime.tv_sec);
		nanoseconds = BPF_CORE_READ(renamed, __i_ctime.tv_nsec);
	} else {
		seconds = BPF_CORE_READ(inode, i_ctime.tv_sec);
		nanoseconds = BPF_CORE_READ(inode, i_ctime.tv_nsec);
	}
	return (seconds * 1000000000ULL + (nanoseconds & NANOSECOND_BITS)) & ~(1ULL << 63);
}

/*
 * Two kinds of files have several objects at a time: those of 9p without a cache, and those of an overlay's lower layer
 * that have hard links, one for each name (fs/overlayfs/inode.c, ovl_hash_bylower; such objects are in no hash). No
 * user can make either with a number of its choice in the same file system and this time.
 */
static __always_inline bool has_several_objects(struct inode *inode)
{
	unsigned long magic = BPF_CORE_READ(inode, i_sb, s_magic);

	return magic == V9FS_MAGIC || (magic == OVERLAYFS_SUPER_MAGIC && !BPF_CORE_READ(inode, i_hash.pprev));
}

static __always_inline __u64 object_of(struct inode *inode)
{
	return has_several_objects(inode) ? change_time(inode) : (__u64)inode;
}

static __always_inline void describe_file(struct file_object *file, struct inode *inode)
{
	file->object = object_of(inode);
	file->inode = BPF_CORE_READ(inode, i_ino);
	file->device = BPF_CORE_READ(inode, i_sb, s_dev);
	file->generation = BPF_CORE_READ(inode, i_generation);
}

#endif
