import { TooIntricate } from '../value/name-class.ts';
import { intersectSpans, joinSpans, type Span, subtractSpans } from '../value/span.ts';

/** A set of connections: the product of one set of numbers for each dimension. */
export type Region = readonly (readonly Span[])[];

/** Above this many pieces a difference is given up. */
const MOST_PIECES = 50_000;

/** Above this many regions, joining them would take longer than reading them. */
const MOST_JOINED = 2000;

/**
 * The same connections in fewer regions: those that differ in one dimension only are joined, until none do.
 */
/** The connections of `regions` that are in none of `holes`. */
export function subtractRegions(regions: readonly Region[], holes: readonly Region[]): Region[] {
  let pieces = [...regions];
  for (const hole of holes) {
    if (pieces.length === 0) break;
    pieces = pieces.flatMap((piece) => subtractRegion(piece, hole));
    if (pieces.length > MOST_PIECES) throw new TooIntricate('the rules overlap in too many ways to compare');
  }
  return pieces;
}

/** The connections that are in both; undefined when there are none. */
export function intersectRegion(a: Region, b: Region): Region | undefined {
  const common: (readonly Span[])[] = [];
  for (const [dimension, spans] of a.entries()) {
    const other = b[dimension]!;
    const both = spans === other ? spans : intersectSpans(spans, other);
    if (both.length === 0) return undefined;
    common.push(both);
  }
  return common;
}

/** One piece for each dimension in which `hole` is narrower; the pieces are disjoint. */
function subtractRegion(region: Region, hole: Region): Region[] {
  const common = intersectRegion(region, hole);
  if (!common) return [region];
  const pieces: Region[] = [];
  const rest = [...region];
  for (const [dimension, spans] of region.entries()) {
    const outside = subtractSpans(spans, hole[dimension]!);
    if (outside.length > 0) {
      pieces.push(rest.with(dimension, outside));
      rest[dimension] = common[dimension]!;
    }
  }
  return pieces;
}

export function joinRegions(regions: readonly Region[]): Region[] {
  let joined = [...regions];
  if (joined.length > MOST_JOINED) return joined;
  for (let before = -1; before !== joined.length;) {
    before = joined.length;
    const dimensions = joined[0]?.length ?? 0;
    for (let dimension = 0; dimension < dimensions; dimension++) joined = joinAlong(joined, dimension);
  }
  return joined;
}

function joinAlong(regions: readonly Region[], dimension: number): Region[] {
  const groups = new Map<string, Region>();
  for (const region of regions) {
    const key = regionKey(region.with(dimension, []));
    const other = groups.get(key);
    const spans = other ? joinSpans([...other[dimension]!, ...region[dimension]!]) : region[dimension]!;
    groups.set(key, region.with(dimension, spans));
  }
  return [...groups.values()];
}

/** Equal for equal regions only. */
export function regionKey(region: Region): string {
  return region.map(spansKey).join(' ');
}

const keys = new WeakMap<readonly Span[], string>();

/** Equal for equal lists of spans only. Regions share their lists, so most keys are made once. */
export function spansKey(spans: readonly Span[]): string {
  let key = keys.get(spans);
  if (key === undefined) {
    key = spans.map(({ first, last }) => `${first}-${last}`).join();
    keys.set(spans, key);
  }
  return key;
}
