import type { RecordingSummary } from './read.ts';

/** Clock hours since the epoch, both included, between which nothing long was left out. */
export interface Stretch {
  from: number;
  to: number;
  /** In how many of them something was seen. */
  seen: number;
}

/** Hours without an event that end a stretch: more than a week, so that weekly jobs leave it whole. */
const SILENCE = 8 * 24;

/** The stretches of time that hours with events are in; the hours are distinct and in order. */
export function stretchesOf(hours: readonly number[]): Stretch[] {
  const stretches: Stretch[] = [];
  for (const hour of hours) {
    const last = stretches.at(-1);
    if (last !== undefined && hour - last.to <= SILENCE) {
      last.to = hour;
      last.seen += 1;
    } else stretches.push({ from: hour, to: hour, seen: 1 });
  }
  return stretches;
}

/** How many events there were from one time to another, both included. Microseconds since the epoch. */
export interface Bucket {
  first: number;
  last: number;
  count: number;
}

/** Microseconds: what an hour can be divided by. */
const WIDTHS = [1, 10, 60, 600, 3600].map((seconds) => seconds * 1_000_000);

/** Buckets of one window, which are read one by one. */
const MOST_BUCKETS = 40_000;

/** The width of the buckets in which the events of a window are counted. */
export function bucketWidth({ first, last }: { first: number; last: number }): number {
  return WIDTHS.find((width) => (last - first) / width <= MOST_BUCKETS) ?? HOUR;
}

/**
 * The times between which each of `parts` equal parts of the events lies. Parts of equal length in time would be ruined
 * by one pause or one burst, and by one event with a wrong clock. Within a bucket events are taken to come evenly; what
 * came at one time is not cut.
 */
export function edgesOf(
  { first, last }: { first: number; last: number },
  buckets: readonly Bucket[],
  parts: number,
): number[] {
  const total = buckets.reduce((sum, { count }) => sum + count, 0);
  const edges = [first];
  let before = 0;
  for (const { count, ...bucket } of buckets) {
    for (;;) {
      const wanted = (total * edges.length) / parts;
      if (edges.length === parts || before + count < wanted) break;
      const share = (wanted - before) / count;
      edges.push(bucket.first + Math.round((bucket.last + 1 - bucket.first) * share));
    }
    before += count;
  }
  return [...edges, last + 1];
}

/** Microseconds. */
export const HOUR = 3_600_000_000;

/** A time in which nothing was recorded. Microseconds since the epoch. */
export interface Gap {
  start: number;
  end: number;
}

/** What is shorter is the time that one run takes to end and the next to start, microseconds. */
const SHORTEST = 60_000_000;

/**
 * The times between recordings of one host, in their order: whatever computes with the time between the first and the
 * last event takes them for silence. What was imported says nothing of when it was recorded.
 */
export function gapsOf(
  recordings: readonly Pick<RecordingSummary, 'backend' | 'host' | 'startedAt' | 'endedAt'>[],
): Gap[] {
  const gaps: Gap[] = [];
  const ends = new Map<string, number>();
  const own = recordings.filter(({ backend }) => backend !== 'import');
  for (const { endedAt, host, startedAt } of own.toSorted((a, b) => a.startedAt - b.startedAt)) {
    const end = ends.get(host);
    if (end !== undefined && startedAt - end >= SHORTEST) gaps.push({ start: end, end: startedAt });
    ends.set(host, Math.max(end ?? endedAt, endedAt));
  }
  return gaps;
}
