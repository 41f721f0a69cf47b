// SPDX-License-Identifier: GPL-2.0
/*
 * What names mean: the answers that a socket gets to the DNS queries it has sent, read before the program that asked
 * can act on them. Programs on the root cgroup. Under a policy that blocks by names they drop what somebody sends in
 * the name of a resolver of this host, and nothing else.
 */
#include "name/answer.bpf.h"
#include "name/query.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define PASS 1
#define DROP 0

SEC("cgroup_skb/egress")
int asks(struct __sk_buff *skb)
{
	struct dns_packet packet = {};

	if (is_impostor(skb) && naming.block)
		return DROP;
	if (is_dns(skb, &packet, DESTINATION_PORT))
		remember_queries(skb, &packet);
	return PASS;
}

SEC("cgroup/sendmsg4")
int named4(struct bpf_sock_addr *ctx)
{
	remember_named(ctx, 4);
	return PASS;
}

SEC("cgroup/sendmsg6")
int named6(struct bpf_sock_addr *ctx)
{
	remember_named(ctx, 6);
	return PASS;
}

/* On the root cgroup where the others are on another one: who speaks as a resolver may be anywhere. */
SEC("cgroup_skb/egress")
int impostors(struct __sk_buff *skb)
{
	return is_impostor(skb) && naming.block ? DROP : PASS;
}

SEC("cgroup_skb/ingress")
int answers(struct __sk_buff *skb)
{
	struct dns_packet packet = {};

	if (is_dns(skb, &packet, SOURCE_PORT))
		take_answers(skb, &packet);
	return PASS;
}
