/* SPDX-License-Identifier: GPL-2.0 */
/* Reading the kernel's structs, and what the verifier must be able to follow. */
#ifndef BOUHEKI_READ_H
#define BOUHEKI_READ_H

#include "kernel.bpf.h"

/* Keeps clang from folding the check of a bound into arithmetic that the verifier can't follow. */
#define KEEP(variable) asm volatile("" : "+r"(variable))

/* 1 if `one` is below `other`, else 0. Without a branch, each of which doubles the paths that the verifier follows. */
static __always_inline __u64 is_below(__u64 one, __u64 other)
{
	__u64 borrow = (~one & other) | ((~one | other) & (one - other));

	KEEP(borrow);
	return borrow >> 63;
}

/* A task is a typed pointer only where bpf_get_current_task_btf() exists (5.11). */
#define READ(from, field)                                                               \
	({                                                                              \
		typeof((from)->field) value_;                                           \
		if (has_task_storage)                                                   \
			value_ = (from)->field;                                         \
		else                                                                    \
			bpf_probe_read_kernel(&value_, sizeof(value_), &(from)->field); \
		value_;                                                                 \
	})

#ifndef LEGACY
static __always_inline struct task_struct *current_task(void)
{
	return bpf_get_current_task_btf();
}
#else
static __always_inline struct task_struct *current_task(void)
{
	return (struct task_struct *)bpf_get_current_task();
}
#endif

#endif
