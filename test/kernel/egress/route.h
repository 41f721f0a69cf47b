/* SPDX-License-Identifier: MIT */
/* The headers of source routes over EVIL_IPV4 or EVIL_IPV6. */
#ifndef ROUTE_H
#define ROUTE_H

#include <netinet/ip.h>
#include <stddef.h>

#define ROUTE_2 2
#define ROUTE_SEGMENTS 4

/* Options of IPv4: loose or strict source route over one address, padded. */
void ipv4_route(unsigned char option[8], unsigned char type);
/* A routing header of IPv6. Returns its length. */
size_t ipv6_route(unsigned char *header, unsigned char type);

#endif
