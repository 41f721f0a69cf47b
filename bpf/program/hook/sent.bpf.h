/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the hooks of cgroups are not shown: sends on connected datagram sockets, and all of raw sockets and of pings.
 * They are judged by their packet, which leaves while the process that sends is in its system call.
 */
#ifndef BOUHEKI_SENT_H
#define BOUHEKI_SENT_H

#include "connect.bpf.h"
#include "open.bpf.h"
#include "packet.bpf.h"

/* Which peers a datagram socket may send to at this moment. */
enum peers {
	PEERS_NONE = 0, /* it was not connected since we look */
	PEERS_ONE = 1,	/* the one that it has */
	PEERS_MANY = 2, /* that one, or an earlier one by a send that was on its way */
};

struct connected {
	__u64 state; /* peer_of() the last verdict that allowed a send to its only peer, or the use of a raw socket */
	__u32 peers; /* enum peers */
	__u32 pad;
};

/* Failure to create an entry: its packets are judged one by one, by their own addresses. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct connected);
} connected SEC(".maps");

/* What a thread sent by name last, by a socket that has or had a peer, and was allowed. */
struct named {
	__u64 socket; /* socket_number() */
	__u64 high;   /* the address as in struct flow */
	__u64 low;
	__u64 port; /* and family << 32 */
	__u32 generation;
	__u32 pad;
};

/* By thread id. Evicts by itself: a send that is forgotten before its packet leaves is judged twice. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct named);
} names_sent SEC(".maps");

/* A denial can put an in-kernel client, such as NFS, into an endless retry. The hook does not show whose socket it is.
 */
static __always_inline bool by_kernel_thread(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	return BPF_CORE_READ(task, flags) & PF_KTHREAD && !BPF_CORE_READ(task, mm);
}

static __always_inline const struct socket *socket_of(const struct sock *sk)
{
	return sk ? BPF_CORE_READ(sk, sk_socket) : 0;
}

/* Of a socket without connections. */
static __always_inline bool has_datagram_peer(const struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_ESTABLISHED;
}

/* The peer of a socket that is no typed pointer. */
static __always_inline void peer_flow(struct flow *flow, const struct sock *sk)
{
	__u16 port = BPF_CORE_READ(sk, __sk_common.skc_dport);
	__u32 address[4] = {};

	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET) {
		flow_set_ipv4(flow, BPF_CORE_READ(sk, __sk_common.skc_daddr), port);
		return;
	}
	bpf_probe_read_kernel(address, sizeof(address), &sk->__sk_common.skc_v6_daddr);
	flow_set_ipv6(flow, address, port);
}

/* Whether no send of a socket can be on its way, of another thread or in parts (MSG_MORE), when it gets a peer. */
static __always_inline bool is_quiet(const struct socket *socket, const struct sock *sk)
{
	return socket && !has_datagram_peer(sk) && !BPF_CORE_READ((const struct udp_sock *)sk, pending) &&
	       !is_shared(socket);
}

/*
 * A datagram socket gets a peer. The verdict on a send is about the peer that the socket has when its packet leaves,
 * which is that of the send unless another one has taken its place meanwhile: see is_probe().
 */
static __always_inline bool denies_datagram_connect(struct bpf_sock *shown, const struct sock *sk, struct flow *flow)
{
	const struct socket *socket = socket_of(sk);
	bool alone = has_conversations(flow->protocol) && is_quiet(socket, sk);
	struct connected *kept;

	flow->operation = OPERATION_INTENT;
	flow->probe = alone;
	if (!(has_conversations(flow->protocol) && *answerer_at(mixed((__u64)sk)) &&
	      is_reply(socket_number(socket), flow)) &&
	    judge_flow(0, flow))
		return true;
	kept = bpf_sk_storage_get(&connected, shown, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (kept) {
		kept->state = 0;
		kept->peers = alone ? PEERS_ONE : PEERS_MANY;
	}
	return false;
}

/* A send by name. One to the only peer of its socket is left to its packet, as those without a name are. */
static __always_inline bool denies_sent_by_name(struct bpf_sock *shown, const struct sock *sk, struct flow *flow)
{
	struct connected *kept = bpf_sk_storage_get(&connected, shown, 0, 0);
	const struct socket *socket = socket_of(sk);
	__u32 thread = current_thread();
	struct named named = {};
	struct flow peer = {};

	flow->operation = OPERATION_SEND;
	if (kept && kept->peers == PEERS_ONE && has_datagram_peer(sk)) {
		peer_flow(&peer, sk);
		if (peer.low == flow->low && peer.high == flow->high && port_of(&peer) == port_of(flow))
			return false;
	}
	named.generation = current_generation();
	if (denies_datagram(0, socket, flow))
		return true;
	if (has_datagram_peer(sk) || (kept && kept->peers)) {
		named.socket = socket_number(socket);
		named.high = flow->high;
		named.low = flow->low;
		named.port = port_of(flow);
		bpf_map_update_elem(&names_sent, &thread, &named, BPF_ANY);
	}
	return false;
}

/* Whether a packet is that of a send by name that was allowed. Asked once for each. */
static __always_inline bool was_sent_by_name(const struct socket *socket, const struct flow *flow)
{
	__u32 thread = current_thread();
	struct named *named = bpf_map_lookup_elem(&names_sent, &thread);
	bool is_it;

	if (!named || !named->socket)
		return false;
	is_it = named->socket == socket_number(socket) && named->high == flow->high && named->low == flow->low &&
		named->port == port_of(flow) && named->generation == current_generation();
	named->socket = 0;
	return is_it;
}

/* The protocol that a packet has for its payload. */
__noinline __u32 payload_protocol(struct __sk_buff *skb)
{
	struct walk walk = {.at = IPV6_HEADER, .next = byte_at(skb, IPV6_NEXT)};

	if (skb->protocol == bpf_htons(ETH_P_IP))
		return byte_at(skb, IPV4_PROTOCOL);
	for (int i = 0; i < IPV6_HEADERS + 1; i++)
		if (!walk_on(skb, &walk))
			break;
	return walk.next;
}

/* Port 0 where the protocol has none. */
static __always_inline __u16 destination_port(struct __sk_buff *skb, __u32 protocol)
{
	__u32 at = skb->protocol == bpf_htons(ETH_P_IP) ? payload4(skb) : payload6(skb);
	__u16 port = 0;

	if (at && protocol_has_ports(protocol))
		bpf_skb_load_bytes(skb, at + 2, &port, sizeof(port));
	return bpf_ntohs(port);
}

/* False of the outer packet of a tunnel, which is the tunnel's own. */
static __always_inline bool flow_from_datagram(struct flow *flow, struct __sk_buff *skb)
{
	if (payload_protocol(skb) != flow->protocol || !flow_from_packet(flow, skb))
		return false;
	flow->port = destination_port(skb, flow->protocol);
	return true;
}

/* A send of a UDP socket that has or had a peer. One that has none is judged when it names its destination. */
static __always_inline bool denies_peer_packet(struct __sk_buff *skb, struct bpf_sock *shown, const struct sock *sk,
					       struct flow *flow)
{
	struct connected *kept = bpf_sk_storage_get(&connected, shown, 0, 0);
	__u64 allowed = peer_of(PEER_DATAGRAM, current_generation(), current_pid());
	const struct socket *socket = socket_of(sk);
	bool has_peer = has_datagram_peer(sk);

	if (!has_peer && !(kept && kept->peers))
		return false;
	/* What nearly all packets of a client are: one more to its peer. */
	if (has_peer && kept && kept->peers == PEERS_ONE && kept->state == allowed)
		return false;
	if (!flow_from_datagram(flow, skb))
		return false;
	if (was_sent_by_name(socket, flow))
		return false;
	if (!has_peer || !kept || kept->peers != PEERS_ONE)
		return denies_datagram(0, socket, flow);
	/* Not the address in the packet: the administrator of the network may have translated it. */
	peer_flow(flow, sk);
	if (is_reply(socket_number(socket), flow))
		return false;
	if (denies_datagram(0, socket, flow))
		return true;
	kept->state = allowed;
	return false;
}

/*
 * What opening a raw socket that is older than the policy, or another process's, would have needed, sending by it
 * needs. Keyed by its address as a number: here no pointer has a type.
 */
static __always_inline bool denies_raw_packet(struct __sk_buff *skb, const struct sock *sk, struct flow *flow)
{
	__u64 used = peer_of(PEER_OF_KIND, current_generation(), current_pid()), key = (__u64)sk;

	if (peer_state(key) != used) {
		if (judge_opening(SOCKET_RAW, flow->protocol))
			return true;
		remember_peer(key, used);
	}
	if (!flow_from_packet(flow, skb))
		return false;
	flow->port = destination_port(skb, flow->protocol);
	return judge_flow(0, flow);
}

/* A socket of IP is made. What it may do next is judged then; of a raw one its use has been, by this. */
static __always_inline bool denies_created_socket(struct bpf_sock *shown)
{
	__u64 used = peer_of(PEER_OF_KIND, current_generation(), current_pid());
	__u32 type = shown->type;

	if (denies_socket(shown->family, type, shown->protocol))
		return true;
	if (type == SOCK_RAW)
		remember_peer((__u64)real_socket(shown), used);
	return false;
}

/* A source route that no hook has shown: of a control message, or set before the policy. */
static __always_inline bool denies_route(struct __sk_buff *skb, __u16 protocol)
{
	bool ipv4 = skb->protocol == bpf_htons(ETH_P_IP);

	if (!may_have_route(skb, ipv4) || !(ipv4 ? find_route4(skb) : find_route6(skb)))
		return false;
	return judge_opening(SOCKET_SOURCE_ROUTE, protocol);
}

static __always_inline bool denies_sent_packet(struct __sk_buff *skb)
{
	struct bpf_sock *shown = skb->sk ? bpf_sk_fullsock(skb->sk) : 0;
	struct flow flow = {.operation = OPERATION_SEND};
	struct sock *sk;
	__u32 type;

	if (!shown)
		return false;
	type = shown->type;
	if ((type != SOCK_DGRAM && type != SOCK_RAW) || is_kernel_packet(shown) || by_kernel_thread())
		return false;
	sk = real_socket(shown);
	flow.protocol = shown->protocol;
	/* What a tunnel of the kernel sends by a socket that a program has lent to it, as L2TP, is sent by nobody. */
	if (BPF_CORE_READ(sk, sk_user_data))
		return false;
	if (denies_route(skb, flow.protocol))
		return true;
	if (type == SOCK_RAW)
		return denies_raw_packet(skb, sk, &flow);
	if (has_conversations(flow.protocol))
		return denies_peer_packet(skb, shown, sk, &flow);
	return flow_from_datagram(&flow, skb) && judge_flow(0, &flow);
}

#endif
