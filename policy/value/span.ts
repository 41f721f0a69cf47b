/** A run of numbers, both ends included. */
export interface Span {
  first: bigint;
  last: bigint;
}

/** The same numbers as disjoint spans in order, neighbours joined. */
export function joinSpans(spans: readonly Span[]): Span[] {
  const joined: Span[] = [];
  for (const span of spans.toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))) {
    const last = joined.at(-1);
    if (!last || span.first > last.last + 1n) joined.push({ ...span });
    else if (span.last > last.last) last.last = span.last;
  }
  return joined;
}

/** The numbers that are in both. Both lists, and the result, are disjoint and in order. */
export function intersectSpans(left: readonly Span[], right: readonly Span[]): Span[] {
  const common: Span[] = [];
  for (let i = 0, j = 0; i < left.length && j < right.length;) {
    const first = left[i]!.first > right[j]!.first ? left[i]!.first : right[j]!.first;
    const last = left[i]!.last < right[j]!.last ? left[i]!.last : right[j]!.last;
    if (first <= last) common.push({ first, last });
    if (left[i]!.last === last) i++;
    else j++;
  }
  return common;
}

/** The numbers of `from` that are not in `holes`. Both lists, and the result, are disjoint and in order. */
export function subtractSpans(from: readonly Span[], holes: readonly Span[]): Span[] {
  const rest: Span[] = [];
  let hole = 0;
  for (const span of from) {
    let first = span.first;
    while (hole < holes.length && holes[hole]!.last < first) hole++;
    for (let next = hole; next < holes.length && holes[next]!.first <= span.last; next++) {
      if (holes[next]!.first > first) rest.push({ first, last: holes[next]!.first - 1n });
      first = holes[next]!.last + 1n;
    }
    if (first <= span.last) rest.push({ first, last: span.last });
  }
  return rest;
}
