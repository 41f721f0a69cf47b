// SPDX-License-Identifier: GPL-2.0
/*
 * What names mean: the answers that a socket gets to the DNS queries it has sent, read before the program that asked
 * can act on them. Two programs on the root cgroup; neither changes what becomes of a packet.
 */
#include "name/answer.bpf.h"
#include "name/query.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define PASS 1

SEC("cgroup_skb/egress")
int asks(struct __sk_buff *skb)
{
	struct dns_packet packet = {};

	if (is_dns(skb, &packet, DESTINATION_PORT))
		remember_queries(skb, &packet);
	return PASS;
}

SEC("cgroup_skb/ingress")
int answers(struct __sk_buff *skb)
{
	struct dns_packet packet = {};

	if (is_dns(skb, &packet, SOURCE_PORT))
		report_answers(skb, &packet);
	return PASS;
}
