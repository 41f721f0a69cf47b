import { formatCount } from '../../format/number.ts';
import { HOUR, type Stretch } from '../../profiler/read/stretch.ts';

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

/**
 * The period of a subject that was active in these clock hours, in order, of a window; undefined when it has
 * none. What lies between the stretches of the window is no distance: nothing was recorded there.
 */
export function periodOf(
  subject: string,
  hours: readonly number[],
  stretches: readonly Stretch[],
): Period | undefined {
  const active = stretches.map(({ from, to }) => hours.filter((hour) => hour >= from && hour <= to));
  const starts = active.map((within) => within.filter((hour, at) => hour - 1 !== within[at - 1]));
  const gaps = starts.flatMap((within) => within.slice(1).map((hour, at) => hour - within[at]!));
  const times = starts.flat().length;
  if (times < LEAST_TIMES || gaps.length === 0 || gaps[0]! < 2) return undefined;
  let [least, most, sum] = [Infinity, 0, 0];
  for (const gap of gaps) {
    least = Math.min(least, gap);
    most = Math.max(most, gap);
    sum += gap;
  }
  // A job that runs at 9:59 one day runs at 10:01 the next.
  if (most - least > 2) return undefined;
  return { subject, hours: Math.round(sum / gaps.length), times };
}

/**
 * What the length of the window (microseconds) and the periods found say about jobs that are not in the
 * record.
 */
export function describePeriods(window: number, periods: readonly Period[]): string[] {
  const hours = window / HOUR;
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
