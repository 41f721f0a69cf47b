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

/*
 * A task is a typed pointer where bpf_get_current_task_btf() may be called: since Linux 5.11 by LSM and tracing
 * programs, since 5.15 by all others too (a396eda10ff), when the helper in the second line was new.
 */
#if defined(PACKET_PROGRAMS)
#define has_typed_tasks bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs)
#elif defined(LEGACY)
#define has_typed_tasks false
#else
#define has_typed_tasks true
#endif

#define READ(from, field)                                                               \
	({                                                                              \
		typeof((from)->field) value_;                                           \
		if (has_typed_tasks)                                                    \
			value_ = (from)->field;                                         \
		else                                                                    \
			bpf_probe_read_kernel(&value_, sizeof(value_), &(from)->field); \
		value_;                                                                 \
	})

static __always_inline struct task_struct *current_task(void)
{
	return has_typed_tasks ? bpf_get_current_task_btf() : (struct task_struct *)bpf_get_current_task();
}

#endif
