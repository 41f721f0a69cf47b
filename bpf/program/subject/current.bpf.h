/* SPDX-License-Identifier: GPL-2.0 */
/* Who is calling. Programs for packets may not call the helpers that say so, and the backend cgroup has such ones. */
#ifndef BOUHEKI_CURRENT_H
#define BOUHEKI_CURRENT_H

#include "../read.bpf.h"
#include "../wire.h"

#ifndef CGROUP_BACKEND
static __always_inline __u32 current_thread(void)
{
	return (__u32)bpf_get_current_pid_tgid();
}

static __always_inline __u32 current_pid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

static __always_inline __u64 current_cgroup(void)
{
	return bpf_get_current_cgroup_id();
}

/* Into COMM_SIZE bytes. What follows the end of the name there may stay as it is. */
static __always_inline void current_name(void *name)
{
	bpf_get_current_comm(name, COMM_SIZE);
}
#else
static __always_inline __u32 current_thread(void)
{
	return READ(current_task(), pid);
}

static __always_inline __u32 current_pid(void)
{
	return READ(current_task(), tgid);
}

static __always_inline __u64 current_cgroup(void)
{
	return BPF_CORE_READ(current_task(), cgroups, dfl_cgrp, kn, id);
}

static __always_inline void current_name(void *name)
{
	bpf_probe_read_kernel_str(name, COMM_SIZE, &current_task()->comm);
}
#endif

#endif
