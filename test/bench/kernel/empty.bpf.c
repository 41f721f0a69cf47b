// SPDX-License-Identifier: GPL-2.0
/* The floor: programs that do nothing, on the hooks that every connection passes. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "../../../bpf/program/section.bpf.h"

char LICENSE[] SEC("license") = "GPL";

HOOK(socket_connect)
int BPF_PROG(socket_connect)
{
	return 0;
}

HOOK(socket_sendmsg)
int BPF_PROG(socket_sendmsg)
{
	return 0;
}

HOOK(socket_create)
int BPF_PROG(socket_create)
{
	return 0;
}

VOID_HOOK(bprm_committed_creds)
int BPF_PROG(committed_creds)
{
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_fork)
{
	return 0;
}
