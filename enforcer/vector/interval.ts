import { emptyVector, type BoxVector, type VectorClasses } from './box-vector.ts';

/**
 * Values from `start` up to the next interval's start belong to class `class`. The first interval starts at
 * 0.
 */
export interface Intervals<Value> {
  starts: Value[];
  classes: number[];
}

/** Box `box` accepts the values from `first` to `last`, both included. */
export interface Span<Value> {
  box: number;
  first: Value;
  last: Value;
}

/**
 * Cuts the whole range of values into intervals on which the set of accepting boxes is constant, by sweeping
 * over the ends of the spans. `always` are the boxes that accept everything; spans of one box may overlap.
 * O(n log n).
 */
export function sweep<Value extends number | bigint>(
  spans: readonly Span<Value>[],
  always: BoxVector,
  max: Value,
  next: (value: Value) => Value,
  classes: VectorClasses,
): Intervals<Value> {
  const opens = spans.toSorted((a, b) => compare(a.first, b.first));
  const closes = spans.toSorted((a, b) => compare(a.last, b.last));
  const depth = new Map<number, number>();
  const current = emptyVector();
  current.set(always);
  const result: Intervals<Value> = { starts: [], classes: [] };
  const zero = (typeof max === 'bigint' ? 0n : 0) as Value;
  let open = 0;
  let close = 0;
  let at = zero;
  for (;;) {
    while (open < opens.length && opens[open]!.first === at) enter(opens[open++]!.box);
    const found = classes.classOf(current);
    if (result.classes.at(-1) !== found) {
      result.starts.push(at);
      result.classes.push(found);
    }
    // The next place where something changes: a span begins, or the value after a span's end.
    let following: Value | undefined;
    if (open < opens.length) following = opens[open]!.first;
    if (close < closes.length && closes[close]!.last < max) {
      const after = next(closes[close]!.last);
      if (following === undefined || after < following) following = after;
    }
    if (following === undefined) return result;
    while (close < closes.length && closes[close]!.last < following) leave(closes[close++]!.box);
    at = following;
  }

  function enter(box: number): void {
    const now = (depth.get(box) ?? 0) + 1;
    depth.set(box, now);
    if (now === 1) current[box >> 5]! |= 1 << (box & 31);
  }

  function leave(box: number): void {
    const now = depth.get(box)! - 1;
    depth.set(box, now);
    if (now === 0) current[box >> 5]! &= ~(1 << (box & 31));
  }
}

function compare(a: number | bigint, b: number | bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
