/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The part of the contract in wire.h that is about DNS: names in tables, answers, and what is known by a name.
 */
#ifndef BOUHEKI_NAME_WIRE_H
#define BOUHEKI_NAME_WIRE_H

#define MAX_NAME_CLASSES 4096	  /* distinct sets of boxes that a DNS name can have; 0 is the empty one */
#define MAX_KEEPS 7		  /* distinct times for which names are kept after the end of their TTL */
#define MAX_PATTERNS 65536	  /* of names, both sides */
#define MAX_KNOWN 131072	  /* addresses that are known by names, both sides */
#define KNOWN_OF_SIDE 65536	  /* half of them */
#define KNOWN_OF_CLASS 16384	  /* those that one set of boxes may have: a quarter of a side */
#define ESTABLISHED_SECONDS 86400 /* how long no connection is cut off because its name is known no more */
#define NAME_SLOTS 4		  /* sets of boxes that an address can have by its names at one time */
#define MAX_RESOLVERS 16384	  /* of the host and of all containers */

#define SHORT_MESSAGE 512 /* bytes of nearly all DNS messages */
#define LONG_MESSAGE 2048

/* struct answer, flags */
#define ANSWER_STREAM 1	 /* by TCP */
#define ANSWER_NEAR 2	 /* by the loopback device, from a resolver on this host */
#define ANSWER_TRUSTED 4 /* from a resolver of that network namespace, on the way that its answers take */
#define ANSWER_DOUBTED 8 /* somebody else speaks as that resolver */

/* The answer to a DNS query, reported before the program that asked receives it. `message` is behind it. */
struct answer {
	__u8 kind;   /* RECORD_ANSWER */
	__u8 family; /* of the resolver, 4 or 6 */
	__u8 flags;  /* ANSWER_* */
	__u8 pad;
	__u32 length; /* of the message, as far as it is here */
	__u64 time;   /* as in struct connection */
	/* Who sent the query, by the packet; the cgroup is that of the socket. */
	__u64 started; /* as in struct process */
	__u64 cgroup;
	__u32 pid; /* thread group id */
	__u32 network_namespace;
	__u64 resolver[2]; /* its address in network order; IPv4 in the first 4 bytes */
	__u8 message[];	   /* RFC 1035, section 4: SHORT_MESSAGE or LONG_MESSAGE bytes */
};

/* Per-CPU counters of the programs that read DNS. */
enum name_counter {
	LOST_ANSWER = 0,    /* ring full, or more than the share of its user */
	CUT_ANSWER = 1,	    /* longer than LONG_MESSAGE, or in pieces of a stream */
	UNASKED_ANSWER = 2, /* to no query that this socket has sent in the last seconds */
	LOST_QUERY = 3,	    /* no memory to keep it */
	/* Answers that count for no verdict: from what is no resolver, in another network namespace than the host's, */
	FOREIGN_ANSWER = 4,
	UNLISTED_ANSWER = 5, /* and on the host, */
	STRAYED_ANSWER = 6,  /* by the loopback device from elsewhere, or the other way round, */
	DOUBTED_ANSWER = 7,  /* while somebody else speaks as that resolver. */
	IMPOSTOR = 8,	     /* packets as from a resolver of this host by somebody else; in block mode dropped */
	/* Names that are not known, and what is connected to is denied: no room for one more address, */
	KNOWN_FULL = 9,
	PATTERN_FULL = 10, /* no more for one set of boxes, which may fill a quarter, */
	ADDRESS_FULL = 11, /* no more sets of boxes for one address. */
	NAME_COUNTERS = 12,
};

/* An address that is known by names in one network namespace, as far as one side of the policy asks for them. */
struct known_key {
	__u32 side;		 /* generation & 1 */
	__u32 network_namespace; /* 0: the host's */
	__u64 high;		 /* in host order, as in struct flow, but IPv4 is ::ffff:a.b.c.d */
	__u64 low;
};

struct known_address {
	__u64 slot[NAME_SLOTS]; /* class << 32 | end of the TTL in seconds since boot; 0: none */
	__u32 class;		/* of whose share it is */
	__u32 pad;
};

/*
 * Backwards, so that the names below one have a common beginning: moc.elpmaxe.www NUL is that name alone, moc.elpmaxe.
 * all below example.com. Labels are never cut. The size is what a map of prefixes takes at the most.
 */
struct pattern_key {
	__u32 bits;	/* of text that count */
	__u8 text[256]; /* the side first */
};

struct resolver_key {
	__u64 address[2];	 /* in network order; IPv4 in the first 4 bytes */
	__u32 network_namespace; /* 0: the host's */
	__u32 family;		 /* 4 or 6 */
};

/* Whose answers count. */
struct resolver {
	__u64 doubted;	   /* nanoseconds since boot: when somebody else last spoke as this one */
	__u64 cgroup;	   /* of the socket that answers, for one on this host */
	__u32 uid;	   /* who opened it */
	__u32 process_uid; /* who has it open, and opens others */
	__u32 near;	   /* 1: on this host, so that answers come by the loopback device; 0: elsewhere */
	__u32 pad;
};

/* What the programs that read DNS have to know. Written by the daemon through a mapping, but for the two counts. */
struct naming {
	__u32 host_namespace;
	__u32 block;	/* 1: drop packets of impostors */
	__u32 sides[2]; /* 1: answers make addresses known on this side */
	__u32 keep[2];	/* the longest time for which a name of this side counts after the end of its TTL, seconds */
	__u32 known[2]; /* addresses on each side */
	__u32 known_of_class[2][MAX_NAME_CLASSES];
};

#endif
