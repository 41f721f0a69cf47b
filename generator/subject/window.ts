import { formatDuration } from '../../format/duration.ts';
import { formatTime } from '../../format/moment.ts';
import { formatCount } from '../../format/number.ts';
import { type Gap, HOUR, stretchesOf, type Stretch } from '../../profiler/read/stretch.ts';
import type { Evidence } from './evidence.ts';

/** The time that a record stands for. Microseconds. */
export interface Window {
  first: number;
  last: number;
  /** Time that was recorded: without what lies between stretches. */
  length: number;
  stretches: readonly Stretch[];
  /** What lies so far from the rest that a wrong clock is the better explanation; no part of the window. */
  strays: readonly Stretch[];
}

const DAY = 24;

/** Hours of silence on both sides that make a stray of a short stretch. */
const APART = 90 * DAY;

/** A stray is shorter than this share of the longest stretch. */
const SHORT = 0.1;

/** The window of events (`evidence` spans all of them) by the clock hours in which each subject had any. */
export function windowOf({ first, last }: Evidence, hours: Iterable<ReadonlySet<number>>): Window {
  const united = new Set<number>();
  for (const each of hours) for (const hour of each) united.add(hour);
  const all = stretchesOf([...united].sort((a, b) => a - b));
  const longest = Math.max(0, ...all.map(({ from, to }) => to - from + 1));
  const strays = all.filter(({ from, to }, at) => {
    const before = from - (all[at - 1]?.to ?? -Infinity);
    const behind = (all[at + 1]?.from ?? Infinity) - to;
    return to - from + 1 < SHORT * longest && Math.min(before, behind) > APART;
  });
  const stretches = all.filter((each) => !strays.includes(each));
  if (stretches.length === 0) return { first, last, length: last - first, stretches, strays };
  const spans = stretches.map(({ from, to }) => [
    Math.max(first, from * HOUR),
    Math.min(last, (to + 1) * HOUR - 1),
  ]);
  return {
    first: spans[0]![0]!,
    last: spans.at(-1)![1]!,
    length: spans.reduce((sum, [start, end]) => sum + end! - start!, 0),
    stretches,
    strays,
  };
}

/** What is said of the clock: nothing where all is plausible. */
export function describeStrays({ first, last, strays }: Window): string[] {
  return strays.map(({ from, seen, to }) => {
    const days = to * HOUR < first ? (first - to * HOUR) / HOUR / DAY : (from * HOUR - last) / HOUR / DAY;
    return (
      `Clock: ${formatCount(seen, 'hour')} with events at ${formatTime(from * HOUR)}, ` +
      `${formatCount(Math.floor(days), 'day')} from the rest: was the clock wrong? They are no part of the window, and what they show is allowed all the same.`
    );
  });
}

/** What is said of times between recordings, which all that is computed from a window takes for silence. */
export function describeUnrecorded(gaps: readonly Gap[]): string[] {
  const [longest] = gaps.toSorted((a, b) => lengthOf(b) - lengthOf(a));
  if (longest === undefined) return [];
  const all = formatDuration(gaps.reduce((sum, gap) => sum + lengthOf(gap), 0) / 1e6);
  const most = `from ${formatTime(longest.start)} to ${formatTime(longest.end)}`;
  const what = gaps.length === 1 ? `${all}, ${most}` : `${all} in ${gaps.length} gaps, most ${most}`;
  return [`Not recorded: ${what}: hold-out, readiness and periods take that for time without events.`];
}

function lengthOf({ end, start }: Gap): number {
  return end - start;
}
