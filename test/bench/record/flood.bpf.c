// SPDX-License-Identifier: GPL-2.0
/*
 * Stands in for the hooks of egress.bpf.c: writes the records they would, as fast as it is asked to, and counts what
 * does not fit. Attached nowhere: the benchmark runs it with BPF_PROG_TEST_RUN.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "wire.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 32 << 20);
} connections SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} denials SEC(".maps");

/* A run is about a millisecond long: 40,000 new processes a second. */
#define TOLD_AT_ONCE 40

/* What to do in the next run, and what has been done so far. Mirrored in flood.ts. */
struct {
	__u32 count;	    /* records to write */
	__u32 processes;    /* processes still to tell of, some in each run */
	__u32 subjects;	    /* distinct processes */
	__u32 destinations; /* distinct addresses */
	__u32 deny_every;   /* each so manieth connection is a denial; 0 for none */
	__u32 told;	    /* processes told of; nobody else connects */
	__u64 produced;
	__u64 denied;
	__u64 lost;
	__u64 lost_denials;
	__u64 lost_processes;
} flood SEC(".data.flood");

static long tell_process(__u32 index, void *unused)
{
	struct process *process = bpf_ringbuf_reserve(&connections, sizeof(*process), 0);

	if (!process) {
		flood.lost_processes++;
		return 0;
	}
	/* Word by word: the compiler would make a call, which BPF has not, of a large memset. */
	for (__u32 word = 0; word < sizeof(*process) / 8; word++)
		((volatile __u64 *)process)[word] = 0;
	index += flood.told;
	process->kind = RECORD_PROCESS;
	process->key = ((__u64)(index + 1) << 32) | (index + 7);
	process->pid = 1000 + index;
	process->started = bpf_ktime_get_boot_ns();
	__builtin_memcpy(process->comm, "flood", 6);
	__builtin_memcpy(process->path, "/usr/bin/flood", 15);
	process->path[14] = 'a' + index % 26;
	for (int i = 0; i < ANCESTORS; i++) {
		process->ancestors[i].pid = 1 + i;
		__builtin_memcpy(process->ancestors[i].comm, "shell", 6);
		__builtin_memcpy(process->ancestors[i].path, "/usr/bin/shell", 15);
	}
	bpf_ringbuf_submit(process, BPF_RB_NO_WAKEUP);
	return 0;
}

static long connect_once(__u32 index, void *unused)
{
	__u64 number = flood.produced++;
	__u32 subject = number % (flood.told ?: 1);
	int denied = flood.deny_every && number % flood.deny_every == 0;
	struct connection *connection;

	if (denied)
		flood.denied++;
	connection = denied ? bpf_ringbuf_reserve(&denials, sizeof(*connection), 0)
			    : bpf_ringbuf_reserve(&connections, sizeof(*connection), 0);
	if (!connection) {
		if (denied)
			flood.lost_denials++;
		else
			flood.lost++;
		return 0;
	}
	__builtin_memset(connection, 0, sizeof(*connection));
	connection->kind = RECORD_CONNECTION;
	connection->verdict = denied;
	connection->flags = denied ? CONNECTION_BLOCKED | CONNECTION_JUDGED : 0;
	connection->family = 4;
	connection->time = bpf_ktime_get_boot_ns();
	connection->process = ((__u64)(subject + 1) << 32) | (subject + 7);
	*(__u32 *)connection->address = __builtin_bswap32(0x0a000000 + (__u32)(number % flood.destinations));
	connection->uid = connection->euid = connection->fsuid = 1000 + subject % 16;
	connection->gid = connection->egid = connection->fsgid = 1000 + subject % 16;
	connection->pid = 1000 + subject;
	connection->box = NO_BOX;
	connection->port = 443;
	connection->protocol = 6;
	__builtin_memcpy(connection->comm, "flood", 6);
	bpf_ringbuf_submit(connection, BPF_RB_NO_WAKEUP);
	return 0;
}

SEC("syscall")
int run(void *context)
{
	if (flood.processes) {
		__u32 some = flood.processes < TOLD_AT_ONCE ? flood.processes : TOLD_AT_ONCE;

		bpf_loop(some, tell_process, 0, 0);
		flood.told += some;
		flood.processes -= some;
	}
	bpf_loop(flood.count, connect_once, 0, 0);
	return 0;
}
