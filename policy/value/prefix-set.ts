import { comparePrefixes, lastOf, type Prefix } from './cidr.ts';
import { intersectSpans, type Span, subtractSpans } from './span.ts';

/**
 * The smallest list of prefixes that covers exactly the same addresses, in order. Duplicates and contained
 * prefixes vanish, siblings join.
 */
export function mergePrefixes(prefixes: readonly Prefix[]): Prefix[] {
  if (prefixes.length < 2) return [...prefixes];
  const merged = mergeV4(prefixes);
  return prefixes.some(({ family }) => family === 6) ? [...merged, ...mergeV6(prefixes)] : merged;
}

/** The addresses of `a` that are not in `b`, merged. */
export function subtractPrefixes(a: readonly Prefix[], b: readonly Prefix[]): Prefix[] {
  return bothFamilies(a, b, subtractSpans);
}

/** The addresses that are in both, merged. */
export function intersectPrefixes(a: readonly Prefix[], b: readonly Prefix[]): Prefix[] {
  return bothFamilies(a, b, intersectSpans);
}

/** Whether every address of `inner` is in `outer`. */
export function coversPrefixes(outer: readonly Prefix[], inner: readonly Prefix[]): boolean {
  return subtractPrefixes(inner, outer).length === 0;
}

/** The fewest prefixes that cover exactly the addresses from `first` to `last`, both included. */
export function prefixesOfSpan(family: 4 | 6, first: bigint, last: bigint): Prefix[] {
  const bits = family === 4 ? 32 : 128;
  const prefixes: Prefix[] = [];
  let at = first;
  while (at <= last) {
    let host = 0;
    let size = 1n;
    while (host < bits && (at & (size * 2n - 1n)) === 0n && at + size * 2n - 1n <= last) {
      host++;
      size *= 2n;
    }
    prefixes.push({ family, value: at, length: bits - host });
    at += size;
  }
  return prefixes;
}

/** How many addresses of IPv4 the prefixes cover, without making a list of them. */
export function countV4(prefixes: readonly Prefix[]): number {
  const keys = sortedKeys(prefixes);
  let count = 0;
  for (let at = 0, end = -1; at < keys.length; at++) {
    const length = keys[at]! % 64;
    const value = (keys[at]! - length) / 64;
    if (value < end) continue;
    const size = 2 ** (32 - length);
    count += size;
    end = value + size;
  }
  return count;
}

/**
 * A number for each prefix of IPv4, in order: wider blocks first. Most lists are in order already, and in short ones a
 * typed array costs more than it saves.
 */
function sortedKeys(prefixes: readonly Prefix[]): ArrayLike<number> {
  const keys: number[] = [];
  let inOrder = true;
  for (const { family, length, value } of prefixes) {
    if (family !== 4) continue;
    const key = Number(value) * 64 + length;
    if (keys.length > 0 && keys[keys.length - 1]! > key) inOrder = false;
    keys.push(key);
  }
  if (inOrder) return keys;
  return keys.length < 100 ? keys.sort((a, b) => a - b) : new Float64Array(keys).sort();
}

/**
 * Numbers, not bigints: merging 100,000 prefixes takes 40 ms instead of 300. The key sorts wider blocks
 * first.
 */
function mergeV4(prefixes: readonly Prefix[]): Prefix[] {
  const values: number[] = [];
  const lengths: number[] = [];
  let count = 0;
  let end = -1;
  const keys = sortedKeys(prefixes);
  for (let at = 0; at < keys.length; at++) {
    const key = keys[at]!;
    let length = key % 64;
    let value = (key - length) / 64;
    if (value < end) continue;
    let size = 2 ** (32 - length);
    end = value + size;
    while (count > 0 && lengths[count - 1] === length) {
      const below = values[count - 1]!;
      if (below + size !== value || below % (size * 2) !== 0) break;
      count--;
      value = below;
      length--;
      size *= 2;
    }
    values[count] = value;
    lengths[count++] = length;
  }
  const merged: Prefix[] = [];
  for (let at = 0; at < count; at++) {
    merged.push({ family: 4, value: BigInt(values[at]!), length: lengths[at]! });
  }
  return merged;
}

function mergeV6(prefixes: readonly Prefix[]): Prefix[] {
  const merged: Prefix[] = [];
  let end = -1n;
  for (let prefix of prefixes.filter((each) => each.family === 6).sort(comparePrefixes)) {
    const last = lastOf(prefix);
    if (last <= end) continue;
    end = last;
    for (let below = merged.at(-1); below?.length === prefix.length; below = merged.at(-1)) {
      const size = 1n << BigInt(128 - prefix.length);
      if (below.value + size !== prefix.value || (below.value & (size * 2n - 1n)) !== 0n) break;
      merged.pop();
      prefix = { family: 6, value: below.value, length: prefix.length - 1 };
    }
    merged.push(prefix);
  }
  return merged;
}

function bothFamilies(
  a: readonly Prefix[],
  b: readonly Prefix[],
  combine: (left: readonly Span[], right: readonly Span[]) => Span[],
): Prefix[] {
  const left = mergePrefixes(a);
  const right = mergePrefixes(b);
  const result: Prefix[] = [];
  for (const family of [4, 6] as const) {
    for (const span of combine(spansOf(left, family), spansOf(right, family))) {
      result.push(...prefixesOfSpan(family, span.first, span.last));
    }
  }
  return mergePrefixes(result);
}

/** Disjoint and in order, because `merged` is. */
function spansOf(merged: readonly Prefix[], family: 4 | 6): Span[] {
  return merged
    .filter((prefix) => prefix.family === family)
    .map((prefix) => ({ first: prefix.value, last: lastOf(prefix) }));
}
