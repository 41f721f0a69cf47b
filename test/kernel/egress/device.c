// SPDX-License-Identifier: MIT
/* What changes the destination after the process has named another: address translation, tunnels. See ./network. */
#include "egress.h"

static void translated_udp(int)
{
	send_ipv4(open_socket(AF_INET, SOCK_DGRAM, 0), OK_IPV4);
}

static void translated_tcp(int)
{
	connect_ipv4(open_socket(AF_INET, STREAM, 0), OK_IPV4);
}

static void tunnel_geneve(int)
{
	send_ipv4(open_socket(AF_INET, SOCK_DGRAM, 0), BEHIND_GENEVE);
}

static void tunnel_vxlan(int)
{
	send_ipv4(open_socket(AF_INET, SOCK_DGRAM, 0), BEHIND_VXLAN);
}

const struct vector device_vectors[] = {
	{"translated_udp", translated_udp, .port = PORT_DNAT_UDP},
	{"translated_tcp", translated_tcp, .port = PORT_DNAT_TCP},
	{"tunnel_geneve", tunnel_geneve, .port = PORT_GENEVE},
	{"tunnel_vxlan", tunnel_vxlan, .port = PORT_VXLAN},
	{},
};
