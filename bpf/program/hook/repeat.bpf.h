/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Datagrams that a process sends again and again. The first is reported; equal ones that follow within a second are
 * counted in a slot of `repeats`, which the daemon reads each second. So the record keeps their number and the times
 * of the first and the last, and grows with what is distinct. "Equal" is all of struct connection but the time. Where
 * there is no slot they are reported one by one.
 *
 * A slot is of one epoch: the daemon starts the next one, waits until no hook adds to the last one, and then reads
 * and frees it. So nothing is lost or counted twice, whatever exits or is evicted.
 */
#ifndef BOUHEKI_REPEAT_H
#define BOUHEKI_REPEAT_H

#include "../flow.bpf.h"
#include "../share.bpf.h"
#include "../subject/caller.bpf.h"

#define REPEAT_NANOSECONDS 1000000000ULL

/* What sends no connection's data: there each event is of a datagram, or of a socket that is to send some. */
static __always_inline bool may_repeat(const struct flow *flow)
{
	return flow->operation == OPERATION_INTENT ||
	       (flow->operation == OPERATION_SEND && flow->protocol != IPPROTO_TCP && flow->protocol != IPPROTO_DCCP);
}

static __always_inline struct counted *counted_of(struct subject *subject, const struct flow *flow)
{
	return &subject->counted[(flow->low ^ flow->port ^ flow->operation) & (COUNTED - 1)];
}

static __always_inline __u64 counted_rest(const struct flow *flow)
{
	return flow->port | (__u64)flow->protocol << 16 | (__u64)flow->family << 32 | (__u64)flow->operation << 40 |
	       (__u64)flow->probe << 48;
}

/* Whether this thread has a slot for equal ones. What it was judged by is unchanged: see current_subject(). */
static __always_inline bool is_counted(const struct counted *known, const struct flow *flow, __u32 epoch)
{
	return known->epoch == epoch && known->rest == counted_rest(flow) && known->low == flow->low &&
	       known->high == flow->high;
}

/* One more. CPUs that add at the same moment may take each other's time for the first or the last. */
static __always_inline bool count_in(struct repeat *repeat)
{
	__u64 now = bpf_ktime_get_boot_ns();

	if (now - repeat->begun >= REPEAT_NANOSECONDS)
		return false;
	if (!repeat->connection.time || now < repeat->connection.time)
		repeat->connection.time = now;
	__sync_fetch_and_add(&repeat->count, 1);
	/* A thread that was preempted since it read the clock is behind. */
	if (repeat->last < now)
		repeat->last = now;
	return true;
}

static __always_inline void find_slot_by(struct repeat_key *key, const struct flow *flow, const struct subject *subject,
					 __u32 generation, __u32 box, __u32 outcome, __u32 epoch)
{
	const __u64 *name = (const __u64 *)subject->comm;
	__u64 sum = counted_rest(flow) ^ (__u64)outcome << 56;

#define MIX(value) sum = (sum ^ sum >> 29 ^ (value)) * 0x9e3779b97f4a7c15ULL
	MIX(flow->high);
	MIX(flow->low);
	MIX(name[0]);
	MIX(name[1]);
	MIX((__u64)subject->uid << 32 | subject->gid);
	MIX((__u64)subject->euid << 32 | subject->egid);
	MIX((__u64)subject->fsuid << 32 | subject->fsgid);
	MIX((__u64)generation << 32 | box);
	/* A process that is to be reported again is. */
	MIX((__u64)control.tellings << 32 | epoch);
#undef MIX
	key->process = subject->process;
	key->rest = sum;
}

/* All of what a key is made from. */
static __always_inline bool is_equal(const struct connection *connection, const struct flow *flow,
				     const struct subject *subject, __u32 generation, __u32 box, __u32 outcome)
{
	const __u64 *name = (const __u64 *)subject->comm, *known = (const __u64 *)connection->comm;
	const __u64 *address = (const __u64 *)connection->address;

	if (flow->family == 6 ? address[0] != bpf_cpu_to_be64(flow->high) || address[1] != bpf_cpu_to_be64(flow->low)
			      : *(const __u32 *)address != bpf_htonl((__u32)flow->low))
		return false;
	return connection->process == subject->process && connection->family == flow->family &&
	       connection->operation == flow->operation && connection->port == flow->port &&
	       connection->protocol == flow->protocol && connection->uid == subject->uid &&
	       connection->euid == subject->euid && connection->fsuid == subject->fsuid &&
	       connection->gid == subject->gid && connection->egid == subject->egid &&
	       connection->fsgid == subject->fsgid && connection->box == box && connection->generation == generation &&
	       connection->flags == (__u8)outcome && known[0] == name[0] && known[1] == name[1];
}

/* What asked for names may have another verdict at any time, so that each is judged. */
static __always_inline void remember_slot(struct subject *subject, const struct flow *flow, __u32 slot, __u32 epoch,
					  __u32 outcome)
{
	struct counted *known = counted_of(subject, flow);

	if (outcome & CONNECTION_NAMED)
		return;
	known->high = flow->high;
	known->low = flow->low;
	known->rest = counted_rest(flow);
#ifndef LEGACY
	known->socket = flow->socket;
#endif
	known->slot = slot;
	known->epoch = epoch;
}

/* Counts an allowed flow, if it can be: 1. Else it is to be reported. `outcome`: CONNECTION_* */
GLOBAL_OR_STATIC int count_repeat(struct flow *flow, struct subject *subject, __u32 generation, __u32 box,
				  __u32 outcome)
{
	__u32 epoch = control.epoch, *slot, counted;
	struct counted *known;
	struct repeat_key key;
	struct repeat *repeat;

	if (!flow || !subject)
		return 0;
	known = counted_of(subject, flow);
	if (is_counted(known, flow, epoch)) {
		counted = known->slot;
		repeat = bpf_map_lookup_elem(&repeats, &counted);
#ifndef LEGACY
		flow->again = flow->socket && known->socket == flow->socket;
		known->socket = flow->socket;
#endif
		return repeat && count_in(repeat);
	}
	find_slot_by(&key, flow, subject, generation, box, outcome, epoch);
	slot = bpf_map_lookup_elem(&repeating, &key);
	if (!slot)
		return 0;
	repeat = bpf_map_lookup_elem(&repeats, slot);
	if (!repeat || repeat->epoch != epoch ||
	    !is_equal(&repeat->connection, flow, subject, generation, box, outcome) || !count_in(repeat))
		return 0;
	remember_slot(subject, flow, *slot, epoch, outcome);
	return 1;
}

#ifndef LEGACY
/*
 * What a thread that has taken a slot sends, and all that it was judged by. No other thread writes it, and none but
 * that one finds it valid, so it is never a mixture.
 */
struct again {
	__u64 thread;  /* and thread group << 32 */
	__u64 started; /* of the thread */
	__u64 name[4]; /* what is sent to, as it is given; all zeros: nothing was sent yet */
	__u64 socket;  /* socket_number() */
	__u64 version;
	__u64 renewals;
	__u64 place;
	__u32 uid;
	__u32 euid;
	__u32 gid;
	__u32 egid;
	__u32 fsuid;
	__u32 fsgid;
};
_Static_assert(sizeof(struct again) <= sizeof(((struct repeat *)0)->own), "it has room there");

/* By socket and name: a slot in which the next equal datagram may be counted. No more than a hint. */
__u32 hints[SOCKET_SLOTS];

static __always_inline __u32 *hint_of(__u64 socket, const __u64 *name)
{
	/* The last bytes of an address, and of the port. */
	__u64 sum = socket + (name[0] >> 24) + (name[0] >> 56) + (name[2] >> 56);

	return &hints[sum & (SOCKET_SLOTS - 1)];
}

/* Reads what a datagram is sent to as it is, with zeros behind it. False where that is of no use. */
static __always_inline bool read_name(__u64 *name, const struct msghdr *msg)
{
	const void *from = msg->msg_name;
	int length = msg->msg_namelen;

	name[3] = 0;
	if (length >= ADDRLEN_IPV6_FULL)
		return from && !bpf_probe_read_kernel(name, ADDRLEN_IPV6_FULL, from);
	name[2] = 0;
	return from && length >= ADDRLEN_IPV4 && !bpf_probe_read_kernel(name, ADDRLEN_IPV4, from);
}

/* Counts one more datagram of a socket that has sent equal ones just now: that it spoke first is kept. */
static __noinline bool count_again(const struct msghdr *msg, __u64 socket)
{
	struct task_struct *task = current_task();
	struct cred *cred = READ(task, cred);
	struct repeat *repeat;
	struct again *again;
	__u64 name[4];
	__u32 slot;

	if (!cred || !read_name(name, msg))
		return false;
	slot = *hint_of(socket, name);
	repeat = bpf_map_lookup_elem(&repeats, &slot);
	if (!repeat)
		return false;
	again = (struct again *)repeat->own;
	if (repeat->epoch != control.epoch || again->thread != bpf_get_current_pid_tgid() ||
	    again->name[0] != name[0] || again->name[1] != name[1] || again->name[2] != name[2] ||
	    again->name[3] != name[3] || again->socket != socket || again->version != version_in_force() ||
	    again->renewals != renewals || again->started != READ(task, start_boottime) ||
	    again->place != cgroup_place(task) || again->uid != READ(cred, uid.val) ||
	    again->euid != READ(cred, euid.val) || again->gid != READ(cred, gid.val) ||
	    again->egid != READ(cred, egid.val) || again->fsuid != READ(cred, fsuid.val) ||
	    again->fsgid != READ(cred, fsgid.val))
		return false;
	return count_in(repeat);
}

/* So that the next equal one is counted at once. Returns whether it will be. */
static __noinline bool remember_name(const struct flow *flow, const struct msghdr *msg)
{
	__u64 before = *(volatile __u64 *)&renewals;
	struct subject *subject = known_subject(version_in_force());
	struct task_struct *task = current_task();
	__u32 epoch = control.epoch;
	struct counted *known;
	struct repeat *repeat;
	struct again *again;
	__u64 name[4];

	if (!subject || !read_name(name, msg))
		return false;
	known = counted_of(subject, flow);
	if (!is_counted(known, flow, epoch) || known->socket != flow->socket)
		return false;
	repeat = bpf_map_lookup_elem(&repeats, &known->slot);
	if (!repeat)
		return false;
	again = (struct again *)repeat->own;
	/* Threads of a process count in one slot; one of them has taken it. */
	if (repeat->epoch != epoch || again->thread != bpf_get_current_pid_tgid() ||
	    again->started != READ(task, start_boottime))
		return false;
	again->name[0] = name[0];
	again->name[1] = name[1];
	again->name[2] = name[2];
	again->name[3] = name[3];
	again->socket = flow->socket;
	again->version = subject->version;
	again->renewals = before;
	again->place = subject->place;
	again->uid = subject->uid;
	again->euid = subject->euid;
	again->gid = subject->gid;
	again->egid = subject->egid;
	again->fsuid = subject->fsuid;
	again->fsgid = subject->fsgid;
	*hint_of(flow->socket, name) = known->slot;
	return true;
}

/* A slot is taken by this thread. */
static __always_inline void own_slot(struct repeat *repeat)
{
	struct again *again = (struct again *)repeat->own;
	struct task_struct *task = current_task();

	__builtin_memset(again, 0, sizeof(*again));
	again->thread = bpf_get_current_pid_tgid();
	again->started = READ(task, start_boottime);
}
#else
static __always_inline void own_slot(struct repeat *repeat)
{
}
#endif

/* Slots that a process takes are part of its share, as its folds are. */
static __always_inline bool may_take_slot(const struct share_key *key, __u32 epoch)
{
	struct share *share = share_in_epoch(key, epoch);

	if (!share || share->repeats >= SHARE_REPEATS)
		return false;
	share->repeats++;
	return true;
}

/* Has equal ones that follow counted, now that this one is reported. */
GLOBAL_OR_STATIC int await_repeats(struct flow *flow, struct subject *subject, __u32 generation, __u32 box,
				   __u32 outcome)
{
	__u32 epoch = control.epoch, slot = 0;
	struct repeat_key key;
	struct repeat *repeat;

	if (!flow || !subject)
		return 0;
	if (!may_take_slot(&subject->share, epoch) || bpf_map_pop_elem(&free_repeats, &slot))
		return 0;
	repeat = bpf_map_lookup_elem(&repeats, &slot);
	if (!repeat)
		return 0;
	describe(&repeat->connection, flow, subject, generation, box);
	repeat->connection.verdict = VERDICT_ALLOW;
	repeat->connection.flags = outcome;
	repeat->connection.time = 0;
	repeat->count = 0;
	repeat->last = 0;
	own_slot(repeat);
	repeat->begun = bpf_ktime_get_boot_ns();
	repeat->epoch = epoch;
	find_slot_by(&key, flow, subject, generation, box, outcome, epoch);
	bpf_map_update_elem(&repeating, &key, &slot, BPF_ANY);
	remember_slot(subject, flow, slot, epoch, outcome);
	return 0;
}

#endif
