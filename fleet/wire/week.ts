/** Microseconds. */
const HOUR = 3_600_000_000;
const WEEK = 168 * HOUR;
/** Monday 1970-01-05, 00:00 UTC. */
const FIRST_MONDAY = 4 * 24 * HOUR;
/** Bytes of the set of hours of a week. */
export const HOUR_BYTES = 21;

/** The UTC week of a moment, weeks since Monday 1970-01-05. Microseconds since the epoch. */
export function weekOf(time: number): number {
  return Math.floor((time - FIRST_MONDAY) / WEEK);
}

/** When a week begins, microseconds since the epoch. */
export function weekStart(week: number): number {
  return FIRST_MONDAY + week * WEEK;
}

/** Which hour of its week a moment is in, 0 to 167. */
export function hourOfWeek(time: number): number {
  return Math.floor((time - weekStart(weekOf(time))) / HOUR);
}
