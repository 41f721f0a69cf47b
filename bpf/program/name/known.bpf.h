/* SPDX-License-Identifier: GPL-2.0 */
/* Which addresses are known by names that a policy asks for: written by the programs that read DNS, read by decide().
 */
#ifndef BOUHEKI_NAME_KNOWN_H
#define BOUHEKI_NAME_KNOWN_H

#include "../kernel.bpf.h"
#include "../wire.h"

/*
 * Full, and beyond half for either side: KNOWN_FULL, and what the name would have opened is denied. Nothing is evicted:
 * that would be a denial which nobody can explain. Allocated in advance: without that, one new address in some thousand
 * found no memory under load. Sized by the loader.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_KNOWN);
	__type(key, struct known_key);
	__type(value, struct known_address);
} known SEC(".maps");

#define NAME_CLASS_BITS 12
_Static_assert(MAX_NAME_CLASSES == 1 << NAME_CLASS_BITS, "a class, and what is kept of it, take 16 bits");

/* Suspend included, as the TTL of an answer goes on. */
static __always_inline __u32 boot_seconds(void)
{
	return bpf_ktime_get_boot_ns() / 1000000000;
}

#endif
