// SPDX-License-Identifier: GPL-2.0
/* The floor: programs that do nothing, on the hooks that every connection passes. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

SEC("lsm/socket_connect")
int BPF_PROG(socket_connect)
{
	return 0;
}

SEC("lsm/socket_sendmsg")
int BPF_PROG(socket_sendmsg)
{
	return 0;
}

SEC("lsm/socket_create")
int BPF_PROG(socket_create)
{
	return 0;
}

SEC("lsm/bprm_committed_creds")
void BPF_PROG(committed_creds)
{
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_fork)
{
	return 0;
}
