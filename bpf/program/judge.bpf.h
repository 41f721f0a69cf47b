/* SPDX-License-Identifier: GPL-2.0 */
/* One way to judge for all hooks. */
#ifndef BOUHEKI_JUDGE_H
#define BOUHEKI_JUDGE_H

#include "decide.bpf.h"
#include "hook/peer.bpf.h"
#include "report.bpf.h"
#include "second/mark.bpf.h"
#include "subject/caller.bpf.h"

static __always_inline bool is_canary(const struct flow *flow)
{
	return flow->low == CANARY_ADDRESS && flow->family == 4 && control.canary && control.canary == current_pid();
}

/*
 * The box that decides, for the destination of a flow or the kind of socket that it opens. CONNECTION_NAMED is added to
 * `event` where the names of the address were asked for.
 */
static __always_inline __u32 deciding_box(struct flow *flow, struct subject *subject, __u32 side, __u32 *event)
{
	struct decision *known;
	__u32 decided;
	__u64 rest;

	if (flow->operation == OPERATION_OPEN)
		return decide_socket(subject, flow->port, side);
	/* A process connects to the same few destinations again and again. */
	rest = rest_of_flow(flow) & ~FLOW_OPERATION;
	known = &subject->decisions[(flow->low ^ flow->port) & (DECISIONS - 1)];
	if (known->rest == rest && known->low == flow->low && known->high == flow->high) {
		decided = known->box;
	} else {
		decided = DECIDE(flow, subject, side);
		known->rest = rest;
		known->low = flow->low;
		known->high = flow->high;
		known->box = decided;
	}
	if (!asks_names(decided))
		return decided;
	/* What the names open is not kept: answers come, and their time ends. */
	*event |= CONNECTION_NAMED;
	return DECIDE_BY_NAMES(flow->probe, subject, side, decided, classes_of(flow, side));
}

static __always_inline enum peer peer_after(__u8 operation)
{
	if (operation == OPERATION_OPEN)
		return PEER_OF_KIND;
	return operation == OPERATION_SEND ? PEER_DATAGRAM : PEER_NEW;
}

/* True when the caller must get -EPERM. `connected` is the socket's key if it keeps this peer, else 0. */
static __always_inline bool is_denied(__u64 connected, struct flow *flow)
{
	__u64 version = version_in_force();
	__u32 side = version & 1;
	__u32 flags = control.flags[side], box = NO_BOX, event = 0;
	struct subject *subject;
	bool denied = false, blocked = false;

	if (is_canary(flow))
		return true;
	if (!(flags & (SIDE_POLICY | SIDE_RECORD)))
		return false;
	subject = current_subject(version);
	if (!subject)
		return (flags & (SIDE_POLICY | SIDE_BLOCK)) == (SIDE_POLICY | SIDE_BLOCK);
	if (subject->flags & PROCESS_IN_CONTAINER)
		event |= CONNECTION_IN_CONTAINER;
	else if (flags & SIDE_CONTAINERS)
		return false;
	if (flags & SIDE_POLICY) {
		event |= CONNECTION_JUDGED;
		box = deciding_box(flow, subject, side, &event);
		/* NO_BOX is above every number of deny boxes, and also a denial. */
		denied = box == NO_BOX || box < control.deny_boxes[side];
		blocked = denied && flags & SIDE_BLOCK && !subject->monitored;
	}
	if (was_taken(subject)) {
		count(LOST_SUBJECT);
		return (flags & (SIDE_POLICY | SIDE_BLOCK)) == (SIDE_POLICY | SIDE_BLOCK);
	}
	if (blocked)
		event |= CONNECTION_BLOCKED;
	/* A guess at what a name might mean is only told when it is held against the caller. */
	if (flow->operation == OPERATION_GUESS) {
		if (!(event & CONNECTION_BLOCKED))
			return false;
		flow->operation = OPERATION_SEND;
	}
	if (denied || flags & SIDE_RECORD)
		report(flow, subject, control.generation[side], box, denied, event);
	if (!(event & CONNECTION_BLOCKED))
		mark_allowed(subject, flow, version);
	if (connected) {
		if (event & CONNECTION_BLOCKED)
			forget_peer(connected);
		else
			remember_peer(connected, peer_of(peer_after(flow->operation), version, subject->pid));
	}
	return event & CONNECTION_BLOCKED;
}

#ifndef LEGACY
__noinline int judge(__u64 connected, struct flow *flow)
{
	return flow && is_denied(connected, flow);
}

static __always_inline bool judge_flow(__u64 connected, struct flow *flow)
{
	return judge(connected, flow);
}
#else
__noinline int judge(__u64 connected, __u64 high, __u64 low, __u64 rest)
{
	struct flow flow = flow_of_numbers(high, low, rest);

	return is_denied(connected, &flow);
}

static __always_inline bool judge_flow(__u64 connected, struct flow *flow)
{
	return judge(connected, flow->high, flow->low, rest_of_flow(flow));
}
#endif

/* `socket` is the key of a socket that is open already, so that each of its sends is not one more opening; else 0. */
static __always_inline bool judge_use(__u64 socket, enum socket_kind kind, __u16 protocol)
{
	struct flow flow = {.operation = OPERATION_OPEN, .port = kind, .protocol = protocol};

	return judge_flow(socket, &flow);
}

static __always_inline bool judge_opening(enum socket_kind kind, __u16 protocol)
{
	return judge_use(0, kind, protocol);
}

#endif
