import { HOUR_BYTES, weekStart } from '../../wire/week.ts';

/** The hours of a week as the engine has them: three signed numbers of 64 bits, hour 0 the lowest bit of the first. */
export type HourSet = readonly [bigint, bigint, bigint];

const HOUR = 3_600_000_000;
const HOURS = 168;

/** Of the 21 bytes of a row. */
export function hourSet(bytes: Buffer): HourSet {
  const whole = Buffer.alloc(24);
  bytes.copy(whole, 0, 0, HOUR_BYTES);
  return [whole.readBigInt64LE(0), whole.readBigInt64LE(8), whole.readBigInt64LE(16)];
}

/** The hours of a week that overlap a span. Microseconds since the epoch, the end not included. */
export function hoursWithin(week: number, since: number, until: number): HourSet {
  const start = weekStart(week);
  const first = Math.max(0, Math.floor((since - start) / HOUR));
  const end = Math.min(HOURS, Math.ceil((until - start) / HOUR));
  const bytes = Buffer.alloc(HOUR_BYTES);
  for (let hour = first; hour < end; hour++) bytes[hour >> 3]! |= 1 << (hour & 7);
  return hourSet(bytes);
}
