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

/**
 * The times between which each of `parts` equal parts of the recorded time lies: what is between stretches
 * counts as no time. So one event with a wrong clock does not make one part of all others. All in
 * microseconds since the epoch; `hour` is an hour, the ends are those of the first and the last event.
 */
export function edgesOf(
  { first, last }: { first: number; last: number },
  stretches: readonly Stretch[],
  parts: number,
): number[] {
  const spans = stretches.map(({ from, to }) => ({
    start: Math.max(first, from * HOUR),
    end: Math.min(last + 1, (to + 1) * HOUR),
  }));
  const length = spans.reduce((sum, { end, start }) => sum + end - start, 0);
  const at = (distance: number): number => {
    let left = distance;
    for (const { end, start } of spans) {
      if (left < end - start) return start + left;
      left -= end - start;
    }
    return last + 1;
  };
  return Array.from({ length: parts + 1 }, (_, part) =>
    part === 0 ? first : at(Math.floor((length * part) / parts)),
  );
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
