/* SPDX-License-Identifier: GPL-2.0 */
/* What an answer means to a policy: the addresses that its question stands for are known by that name from now on. */
#ifndef BOUHEKI_NAME_LEARN_H
#define BOUHEKI_NAME_LEARN_H

#include "known.bpf.h"
#include "message.bpf.h"

#define MOST_RECORDS 64
#define MOST_TTL 86400
#define MOST_LABELS 128
#define LABEL_END 63 /* a longer one is none, or a pointer */
#define POINTER 0xc0
#define TYPE_A 1
#define TYPE_AAAA 28
#define CLASS_IN 1

#define NAME_BYTES 256 /* of a name as it stands in a message: 255 at the most */
#define CHUNK 8

/* Room to work in: the stack has none. Answers come one after the other on a CPU. */
struct name_scratch {
	__u8 zeros[NAME_BYTES]; /* what stands before a name where it is read by chunks from its end */
	__u8 question[NAME_BYTES];
	struct pattern_key key;
	__u8 rest[12]; /* of the last chunk */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct name_scratch);
} name_scratches SEC(".maps");

/*
 * Which set of boxes a name opens, on either side. Written by the daemon alone, which fails the swap when it is full.
 * Compares bytes: there is no hash that somebody could hit.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_PATTERNS);
	__type(key, struct pattern_key);
	__type(value, __u32);
} patterns SEC(".maps");

static __always_inline struct name_scratch *name_scratch(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&name_scratches, &key);
}

/* The highest bit of each byte of ASCII that is from `first` to `last`. */
static __always_inline __u64 bytes_within(__u64 bytes, __u8 first, __u8 last)
{
	__u64 low = bytes & 0x7f * IN_EACH_BYTE;
	__u64 from_first = low + (0x80 - first) * IN_EACH_BYTE, past_last = low + (0x7f - last) * IN_EACH_BYTE;

	return (from_first ^ past_last) & ~bytes & 0x80 * IN_EACH_BYTE;
}

static __always_inline __u32 count_bytes(__u64 highest_bits)
{
	return (highest_bits >> 7) * IN_EACH_BYTE >> 56;
}

/* Turns the lengths of labels into dots. Returns where the name ends; 0 where it does not. */
static __always_inline __u32 join_labels(struct name_scratch *scratch, __u32 *labels)
{
	__u64 end = 0;
	__u32 i;

	for (i = 0; i < MOST_LABELS; i++) {
		__u64 length = scratch->question[end];

		if (!length)
			break;
		if (length > LABEL_END)
			return 0;
		scratch->question[end] = '.';
		end += 1 + length;
		if (end >= NAME_BYTES - 1)
			return 0;
		KEEP(end);
		end &= NAME_BYTES - 1;
	}
	*labels = i;
	return i < MOST_LABELS ? end : 0;
}

/*
 * Writes the name of the question at `at` backwards, as struct pattern_key has it. Returns its bytes; 0 where it is no
 * name of letters, digits, hyphens and underscores, so that no byte of a label passes for the end of one.
 */
__noinline __u32 reverse_name(struct __sk_buff *skb, __u32 at)
{
	struct name_scratch *scratch = name_scratch();
	__u32 size = skb->len - at, end, length, labels = 0, dots = 0;
	__u64 other = 0, foreign = 0, points = 0, mask;

	if (!scratch || at >= skb->len)
		return 0;
	if (size > NAME_BYTES)
		size = NAME_BYTES;
	KEEP(size);
	size = ((size - 1) & (NAME_BYTES - 1)) + 1;
	if (bpf_skb_load_bytes(skb, at, scratch->question, size))
		return 0;
	end = join_labels(scratch, &labels);
	/* The root has no name. What lies behind the message is of another one. */
	if (!end || end >= size)
		return 0;
	length = end - 1;
	for (__u32 i = 0; i < NAME_BYTES / CHUNK; i++) {
		__u32 from = NAME_BYTES + end - CHUNK * (i + 1);
		__u64 chunk;

		if (CHUNK * i >= length)
			break;
		foreign |= other;
		dots += count_bytes(points);
		KEEP(from);
		from &= 2 * NAME_BYTES - 1;
		chunk = lower_case(bpf_be64_to_cpu(*(__u64 *)&scratch->zeros[from]));
		points = bytes_within(chunk, '.', '.');
		other = ~(bytes_within(chunk, 'a', 'z') | bytes_within(chunk, '-', '.') |
			  bytes_within(chunk, '0', '9') | bytes_within(chunk, '_', '_')) &
			0x80 * IN_EACH_BYTE;
		*(__u64 *)&scratch->key.text[1 + CHUNK * i] = chunk;
	}
	/* Of the last chunk what is of the name. */
	mask = length % CHUNK ? (1ULL << 8 * (length % CHUNK)) - 1 : ~0ULL;
	foreign |= other & mask;
	dots += count_bytes(points & mask);
	if (foreign || dots + 1 != labels)
		return 0;
	scratch->key.text[1 + (length & (NAME_BYTES - 1))] = 0;
	return length;
}

/* The class of the name that was written backwards on a side; 0 where nothing asks for it. */
__noinline __u32 class_of_name(__u32 side)
{
	struct name_scratch *scratch = name_scratch();
	__u32 *class;

	if (!scratch)
		return 0;
	scratch->key.bits = 8 * sizeof(scratch->key.text);
	scratch->key.text[0] = side;
	class = bpf_map_lookup_elem(&patterns, &scratch->key);
	return class ? *class & (MAX_NAME_CLASSES - 1) : 0;
}

/* Returns the counter of what there was no room for; NAME_COUNTERS: there was. */
static __always_inline __u32 add_address(const struct known_key *key, __u32 class, __u64 slot)
{
	struct known_address fresh = {.class = class};
	__u32 side = key->side & 1;

	if (naming.known[side] >= KNOWN_OF_SIDE)
		return KNOWN_FULL;
	if (naming.known_of_class[side][class] >= KNOWN_OF_CLASS)
		return PATTERN_FULL;
	fresh.slot[0] = slot;
	/* The second time for what a lock of another writer on this CPU has refused (Linux 5.11 and later). */
	if (bpf_map_update_elem(&known, key, &fresh, BPF_NOEXIST) &&
	    bpf_map_update_elem(&known, key, &fresh, BPF_NOEXIST))
		return KNOWN_FULL;
	__sync_fetch_and_add(&naming.known[side], 1);
	__sync_fetch_and_add(&naming.known_of_class[side][class], 1);
	return NAME_COUNTERS;
}

/* Puts one more class into the slots of an address: where it is already, or in the place of the one that ended first.
 */
static __always_inline __u32 add_slot(struct known_address *address, __u32 class, __u64 slot, __u32 keep)
{
	__u64 first = ~0ULL, now = boot_seconds();
	__u32 place = 0;

#pragma unroll
	for (int i = 0; i < NAME_SLOTS; i++) {
		__u64 there = address->slot[i];

		if (there >> 32 == class) {
			if (there < slot)
				address->slot[i] = slot;
			return NAME_COUNTERS;
		}
		if ((__u32)there < first) {
			first = (__u32)there;
			place = i;
		}
	}
	if (first + keep >= now && first)
		return ADDRESS_FULL;
	/* Another CPU may take the same place for another name: the daemon, which hears of both, puts it right. */
	address->slot[place & (NAME_SLOTS - 1)] = slot;
	return NAME_COUNTERS;
}

/* `end`: of the TTL, in seconds since boot. */
__noinline int remember_address(__u64 high, __u64 low, __u64 where, __u32 class, __u32 end)
{
	struct known_key key = {.side = where >> 32 & 1, .network_namespace = where, .high = high, .low = low};
	__u64 slot = (__u64) class << 32 | end;
	struct known_address *address;
	__u32 outcome;

	class &= MAX_NAME_CLASSES - 1;
	address = bpf_map_lookup_elem(&known, &key);
	if (!address) {
		outcome = add_address(&key, class, slot);
		if (outcome == NAME_COUNTERS)
			return 0;
		/* Another CPU may have been first. */
		address = bpf_map_lookup_elem(&known, &key);
	}
	if (address) {
		__u32 side = key.side;

		/* Linux 5.10 has forgotten how small it is. */
		KEEP(side);
		outcome = add_slot(address, class, slot, naming.keep[side & 1]);
	}
	if (outcome != NAME_COUNTERS)
		count_name(outcome);
	return 0;
}

/* Behind the name at `at`, which is not followed; 0 where it does not end. */
__noinline __u32 skip_name(struct __sk_buff *skb, __u32 at)
{
	for (int i = 0; i < MOST_LABELS; i++) {
		__u8 length = 0;

		if (bpf_skb_load_bytes(skb, at, &length, 1))
			return 0;
		if (!length)
			return at + 1;
		if (length >= POINTER)
			return at + 2;
		if (length > LABEL_END)
			return 0;
		at += 1 + length;
	}
	return 0;
}

/* What a record has behind its name. */
struct record_head {
	__u16 type;
	__u16 class;
	__u32 ttl;
	__u16 length;
} __attribute__((packed));

static __always_inline __u32 end_of_ttl(__u32 ttl)
{
	/* RFC 2181, section 8: with the highest bit set it is none. */
	if (ttl >> 31)
		ttl = 0;
	return boot_seconds() + (ttl > MOST_TTL ? MOST_TTL : ttl);
}

/*
 * Reads the record at `at`, and remembers its address for what the name opens on each side. `classes`: of side 0, above
 * it of side 1. Returns where the next one begins; 0 where the message, which goes to `end`, ends before.
 */
__noinline __u32 read_record(struct __sk_buff *skb, __u32 at, __u32 end, __u32 classes, __u32 namespace)
{
	struct record_head head = {};
	__u64 address[2] = {}, high = 0, low;
	__u32 next, until;

	at = skip_name(skb, at);
	if (!at || bpf_skb_load_bytes(skb, at, &head, sizeof(head)))
		return 0;
	at += sizeof(head);
	next = at + bpf_ntohs(head.length);
	if (next > end)
		return 0;
	if (head.class != bpf_htons(CLASS_IN))
		return next;
	if (head.type == bpf_htons(TYPE_A) && head.length == bpf_htons(4)) {
		if (bpf_skb_load_bytes(skb, at, address, 4))
			return 0;
		low = 0xffff00000000ULL | bpf_ntohl((__u32)address[0]);
	} else if (head.type == bpf_htons(TYPE_AAAA) && head.length == bpf_htons(16)) {
		if (bpf_skb_load_bytes(skb, at, address, 16))
			return 0;
		high = bpf_be64_to_cpu(address[0]);
		low = bpf_be64_to_cpu(address[1]);
	} else {
		return next;
	}
	until = end_of_ttl(bpf_ntohl(head.ttl));
	if (classes & 0xffff)
		remember_address(high, low, namespace, classes & 0xffff, until);
	if (classes >> 16)
		remember_address(high, low, 1ULL << 32 | namespace, classes >> 16, until);
	return next;
}

/* Behind the question, whose name was read; 0 where the message ends before. */
#define QUESTION_REST 4

/* `at`: the message, `length`: of it. `name`: bytes of the name that was written backwards. */
__noinline int read_records(struct __sk_buff *skb, __u32 at, __u32 length, __u32 name, __u32 namespace)
{
	__u32 end = at + length, classes = 0;
	__u16 records = 0;

	if (naming.sides[0])
		classes = class_of_name(0);
	if (naming.sides[1])
		classes |= class_of_name(1) << 16;
	if (!classes || bpf_skb_load_bytes(skb, at + DNS_ANSWERS, &records, sizeof(records)))
		return 0;
	records = bpf_ntohs(records);
	/* A name has a length before its first label and a NUL behind its last one. */
	at += DNS_HEADER + name + 2 + QUESTION_REST;
	for (int i = 0; i < MOST_RECORDS && i < records; i++) {
		at = read_record(skb, at, end, classes, namespace);
		if (!at)
			break;
	}
	return 0;
}

/* Before the program that asked can connect to what it was told. */
static __always_inline void learn_answer(struct __sk_buff *skb, __u32 at, __u32 length, __u32 namespace)
{
	__u32 name;

	if (!naming.sides[0] && !naming.sides[1])
		return;
	/* What the daemon could not read would be lost at the next swap. */
	if (length > LONG_MESSAGE)
		return;
	name = reverse_name(skb, at + DNS_HEADER);
	if (name)
		read_records(skb, at, length, name, namespace);
}

#endif
