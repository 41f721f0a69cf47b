/* SPDX-License-Identifier: GPL-2.0 */
/* What a socket without connections sends: a reply, or a word that is judged. */
#ifndef BOUHEKI_REPLY_H
#define BOUHEKI_REPLY_H

#include "../judge.bpf.h"
#include "talk.bpf.h"

/* Whether a policy is in force that blocks. */
static __always_inline bool blocks(void)
{
	__u32 wanted = SIDE_POLICY | SIDE_BLOCK, side = version_in_force();

	return (control.flags[side & 1] & wanted) == wanted;
}

/* `connected` is its key if it keeps this peer, else 0. */
static __always_inline bool denies_datagram(__u64 connected, const void *sock, struct flow *flow)
{
	flow->first = has_conversations(flow->protocol);
	if (flow->first) {
		__u64 socket = socket_number(sock);
		int talk = talk_with(socket, flow->high, flow->low, port_of(flow));

		if (talk & TALK_OPENED_THERE)
			return false;
		flow->first = !(talk & TALK_FRESH);
#ifndef LEGACY
		flow->socket = socket;
#endif
	}
	if (judge_flow(connected, flow))
		return true;
	if (flow->first)
		keep_word(socket_number(sock), flow->high, flow->low, port_of(flow), OPENED_HERE);
	return false;
}

#endif
