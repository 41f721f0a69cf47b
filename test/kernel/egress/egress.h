/* SPDX-License-Identifier: MIT */
/*
 * Every way in which a process can make this kernel put a packet on the wire, each a vector: a small function that
 * tries it on an address which a policy may deny. Each vector runs in a process of its own; main.c says in what order.
 */
#ifndef EGRESS_H
#define EGRESS_H

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

/* Made by ./network. A policy denies those of EVIL_*. */
#define OUR_IPV4 "10.99.0.1"
#define OK_IPV4 "10.99.0.2"
#define OK_IPV6 "fd99::2"
#define EVIL_IPV4 "10.99.0.3"
#define EVIL_IPV6 "fd99::3"
#define EVIL_MAPPED "::ffff:10.99.0.3"
#define EVIL_BROADCAST "10.99.0.255"
#define EVIL_MULTICAST "239.99.0.3"
#define EVIL_MULTICAST6 "ff15::99:3"
#define BEHIND_GENEVE "10.98.0.2"
#define BEHIND_VXLAN "10.97.0.2"
#define OUR_INTERFACE "veth0"
#define SECOND_INTERFACE "veth2"

/* Every vector has a port of its own, by which its packets are recognised. Below those that the kernel picks. */
#define FIRST_PORT 20000
/* What a member of a group says it wants to hear: these and its port. */
#define REPORT_SOURCE4 0x0a420000
#define REPORT_SOURCE6 "fd99:66::"
/* ./network knows these. */
#define PORT_DNAT_UDP 19001
#define PORT_DNAT_TCP 19002
#define PORT_GENEVE 6081
#define PORT_VXLAN 4789
/* Fixed by the protocol. */
#define PORT_RDS 16385

#define SOL_DCCP 269
/* What a DCCP socket asks for, and what listens there. */
#define DCCP_SERVICE 42

/* A stream socket connects without waiting: the attempt is what counts. */
#define STREAM (SOCK_STREAM | SOCK_NONBLOCK)

#define DIALS (-1)

struct vector {
	const char *name;
	void (*send)(int prepared);
	/* Runs before a policy is in force; `send` is given what it returns. */
	int (*prepare)(void);
	/* 0: FIRST_PORT and the vector's place. */
	unsigned short port;
	/* What listens on the port: 0 is TCP and UDP, DIALS that the other end connects to ours instead. */
	int listener;
};

/* Tables, each ended by a vector without a name. */
extern const struct vector tcp_vectors[];
extern const struct vector again_vectors[];
extern const struct vector group_vectors[];
extern const struct vector udp_vectors[];
extern const struct vector raw_vectors[];
extern const struct vector ring_vectors[];
extern const struct vector icmp_vectors[];
extern const struct vector route_vectors[];
extern const struct vector route_row_vectors[];
extern const struct vector uring_vectors[];
extern const struct vector sctp_vectors[];
extern const struct vector protocol_vectors[];
extern const struct vector prepared_vectors[];
extern const struct vector process_vectors[];
extern const struct vector compat_vectors[];
extern const struct vector device_vectors[];

/* How a vector ended. */
struct outcome {
	pid_t pid;
	int error;     /* of the step, or 0 */
	bool absent;   /* the kernel does not have what the vector is about */
	bool ended;    /* by itself */
	char step[32]; /* the system call that failed, or the last one */
};

/* What the running vector is known by. */
struct self {
	unsigned short port;
	char marker[16]; /* stands in the payload of what it sends */
	struct outcome *outcome;
};
extern struct self self;

/* Notes the system call and its result; ends the vector when it failed. */
long step(const char *what, long result);
/* The same, for one whose failure is no reason to end. */
long note(const char *what, long result);
void end(void) __attribute__((noreturn));
void absent(const char *what) __attribute__((noreturn));

struct sockaddr_in ipv4(const char *address);
struct sockaddr_in6 ipv6(const char *address);
int open_socket(int family, int type, int protocol);
void set_option(int fd, int level, int name, const void *value, socklen_t length);
void connect_to(int fd, const void *address, socklen_t length);
/* The marker, to the address or, without one, to the peer. */
void send_to(int fd, int flags, const void *address, socklen_t length);

void connect_ipv4(int fd, const char *address);
void connect_ipv6(int fd, const char *address);
void send_ipv4(int fd, const char *address);
void send_ipv6(int fd, const char *address);

/* What a frame of IPv4 is sent to: everybody at OUR_INTERFACE. */
struct sockaddr_ll every_neighbour(void);

/* An IPv4 datagram of UDP with the marker. Returns its length. */
size_t ipv4_datagram(unsigned char *packet, const char *address);
size_t ipv6_datagram(unsigned char *packet, const char *address);

/* A TCP and a UDP socket, or what `protocol` names, on every address and this port, of the network in use. */
void listen_on(unsigned short port, int protocol);
/* Connects from EVIL_IPV4 and this port to the same port of ours, as soon as something listens there. */
void dial(unsigned short port);

/* One destination of one vector's packets. */
struct sighting {
	char address[INET6_ADDRSTRLEN];
	unsigned short port;
	unsigned char protocol;
};

#define MAX_SIGHTINGS 8

struct sightings {
	int count;
	struct sighting sighting[MAX_SIGHTINGS];
};

/* On all interfaces of the network in use. */
int open_sniffer(void);
/*
 * Takes what was captured so far of what leaves, or of what arrives. `place` turns a port into a vector's place, or -1.
 * Without `seen` it is thrown away.
 */
void drain_sniffer(int fd, bool arriving, struct sightings *seen, int (*place)(unsigned short port));

#endif
