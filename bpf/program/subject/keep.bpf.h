/* SPDX-License-Identifier: GPL-2.0 */
/* Narrowing the boxes of a subject down, one dimension after the other. */
#ifndef BOUHEKI_KEEP_H
#define BOUHEKI_KEEP_H

#include "../maps.bpf.h"

static __always_inline struct vector *any_of(struct tables *tables, enum subject_kind kind)
{
	return &tables->any[kind];
}

static __always_inline void keep_listed(struct subject *subject, struct vector *any, struct vector *listed,
					struct vector *mask)
{
#pragma unroll
	for (int i = 0; i < VECTOR_WORDS; i++) {
		__u64 named = listed ? listed->word[i] : 0;

		if (mask)
			named &= mask->word[i];
		subject->boxes.word[i] &= (any ? any->word[i] : 0) | named;
	}
}

#endif
