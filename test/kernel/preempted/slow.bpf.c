// SPDX-License-Identifier: GPL-2.0
/*
 * Makes the programs under test last, for threads of the name `slow`, so that another thread preempts them there: each
 * of these functions is called inside of them.
 */
#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

#define NANOSECONDS 200000
#define MOST_ROUNDS 100000

static long spin(__u32 round, void *end)
{
	return bpf_ktime_get_ns() > *(__u64 *)end;
}

static __always_inline int last(void)
{
	__u64 end = bpf_ktime_get_ns() + NANOSECONDS, name[2] = {};

	bpf_get_current_comm(name, sizeof(name));
	if ((__u32)name[0] == 0x776f6c73 /* slow */)
		bpf_loop(MOST_ROUNDS, spin, &end, 0);
	return 0;
}

SEC("fentry/bpf_get_current_pid_tgid")
int BPF_PROG(bpf_get_current_pid_tgid_lasts)
{
	return last();
}

SEC("fentry/__htab_map_lookup_elem")
int BPF_PROG(__htab_map_lookup_elem_lasts)
{
	return last();
}
