import { formatCount } from '../../format/number.ts';

/** A subject that is active at equal distances. */
export interface Period {
  subject: string;
  /** Hours from one time to the next. */
  hours: number;
  times: number;
}

const DAY = 24;
const WEEK = 7 * DAY;

/** Fewer times than this are chance. */
const LEAST_TIMES = 3;

/** The period of a subject that was active in these clock hours, in order; undefined when it has none. */
export function periodOf(subject: string, hours: readonly number[]): Period | undefined {
  const starts = hours.filter((hour, at) => hour - 1 !== hours[at - 1]);
  const gaps = starts.slice(1).map((hour, at) => hour - starts[at]!);
  if (starts.length < LEAST_TIMES || gaps[0]! < 2) return undefined;
  // A job that runs at 9:59 one day runs at 10:01 the next.
  if (Math.max(...gaps) - Math.min(...gaps) > 2) return undefined;
  const mean = Math.round((starts.at(-1)! - starts[0]!) / gaps.length);
  return { subject, hours: mean, times: starts.length };
}

/**
 * What the length of the window (microseconds) and the periods found say about jobs that are not in the
 * record.
 */
export function describePeriods(window: number, periods: readonly Period[]): string[] {
  const hours = window / 3_600_000_000;
  const lines: string[] = [];
  if (hours < DAY) lines.push('Window shorter than a day: daily and weekly jobs may be missing.');
  else if (hours < WEEK) lines.push('Window shorter than a week: weekly jobs may be missing.');
  for (const { hours: each, subject, times } of periods) {
    const few = hours < 4 * each ? '; the window holds few of its rounds' : '';
    lines.push(
      `Periodic: ${subject} every ${formatCount(each, 'hour')}, ${formatCount(times, 'time')}${few}.`,
    );
  }
  return lines;
}
