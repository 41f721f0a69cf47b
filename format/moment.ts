import { parseDuration } from './duration.ts';
import { minutesAhead } from './zone.ts';

/**
 * RFC 3339 with an optional time; without a zone it is UTC, so that the same words mean the same record
 * everywhere.
 */
const ISO = /^(\d{4}-\d{2}-\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)?(Z|[+-]\d{2}:\d{2})?$/;

/**
 * A point in time in microseconds since the epoch: a duration before `now` (`24h`, `24h ago`) or an ISO time
 * (`2026-11-21`, `2026-11-21T09:30:00Z`; UTC where no zone is given). Undefined when it is neither.
 */
export function parseMoment(text: string, now: number): number | undefined {
  const seconds = parseDuration(text.replace(/\s+ago$/, ''));
  if (seconds !== undefined) return now - seconds * 1_000_000;
  const match = ISO.exec(text);
  if (match === null) return undefined;
  const [, day, zone] = match;
  // The 30th of February would be read as a day in March.
  if (!isDay(day!) || minutesAhead(zone ?? 'Z') === undefined) return undefined;
  const zoned = zone === undefined ? `${text}${text.length > 10 ? 'Z' : ''}` : text;
  const milliseconds = Date.parse(zoned.replace(' ', 'T'));
  return Number.isNaN(milliseconds) ? undefined : milliseconds * 1000;
}

/**
 * When something ends, microseconds since the epoch: a time of RFC 3339, which has a zone, or a date, whose end in UTC is
 * meant. Undefined when it is neither.
 */
export function parseEnd(text: string): number | undefined {
  const moment = END.test(text) ? parseMoment(text, 0) : undefined;
  return moment === undefined || text.length > DATE ? moment : moment + DAY;
}

/** A time of day and a zone, or neither. */
const END = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?(?:Z|[+-]\d{2}:\d{2}))?$/;

/** Characters of a date. */
const DATE = 10;

/** Microseconds of a day. */
const DAY = 86_400_000_000;

/** As `parseEnd` reads it back: to the second, or to the millisecond where it is not at the beginning of one. */
export function formatEnd(microseconds: number): string {
  return microseconds % 1_000_000 === 0 ? formatMoment(microseconds) : formatExactMoment(microseconds);
}

function isDay(text: string): boolean {
  const milliseconds = Date.parse(text);
  return !Number.isNaN(milliseconds) && iso(milliseconds * 1000).startsWith(text);
}

/** `2026-11-21T09:30:00Z`: a point in time, microseconds since the epoch, to the second. */
export function formatMoment(microseconds: number): string {
  return `${iso(microseconds).slice(0, -5)}Z`;
}

/** `2026-11-21T09:30:00.250Z`: the same to the millisecond, as documents for programs have it. */
export function formatExactMoment(microseconds: number): string {
  return iso(microseconds);
}

/** `2026-11-21 09:30:00Z`: the same to the second, for people. */
export function formatTime(microseconds: number): string {
  return formatMoment(microseconds).replace('T', ' ');
}

function iso(microseconds: number): string {
  return new Date(Math.floor(microseconds / 1000)).toISOString();
}
