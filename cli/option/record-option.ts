import { InvalidArgumentError, Option } from 'commander';
import { BouhekiError } from '../../error/error.ts';
import { USUAL_RECORD } from '../../profiler/database/record-place.ts';
import { parseMoment } from '../../format/moment.ts';

/** `--db PATH`, with its default. */
export function databaseOption(): Option {
  return new Option('--db <path>', 'the database, in a directory that only root and you can write to')
    .env('BOUHEKI_DB')
    .default(USUAL_RECORD);
}

/** `--since TIME`: microseconds since the epoch. */
export function sinceOption(what = 'only what happened at or after this time'): Option {
  return new Option('--since <time>', `${what}: 24h, "7d ago", 2026-11-21T09:30:00Z`).argParser(readMoment);
}

/** `--until TIME`: microseconds since the epoch. */
export function untilOption(what = 'only what happened before this time'): Option {
  return new Option('--until <time>', what).argParser(readMoment);
}

/** `--wide`, for reports with tables. */
export function wideOption(): Option {
  return new Option('--wide', 'do not cut tables to the width of the terminal').default(false);
}

/** The point in time that an option names. */
export function readMoment(text: string): number {
  const moment = parseMoment(text, Date.now() * 1000);
  if (moment === undefined) {
    throw new InvalidArgumentError(
      'It must be a duration such as 24h or a time such as 2026-11-21T09:30:00Z.',
    );
  }
  return moment;
}

/** The times that a point in time stands for, to the microsecond, second, minute or day as it is written. */
export function readInstant(text: string): { since: number; until: number } {
  const since = readMoment(text);
  const [, minute, second, fraction] = /T\d\d(:\d\d)(:\d\d)?(?:\.(\d+))?/.exec(text.replace(' ', 'T')) ?? [];
  const length =
    fraction !== undefined
      ? 10 ** (6 - fraction.length)
      : second !== undefined
        ? 1e6
        : minute !== undefined
          ? 60e6
          : 86_400e6;
  return { since, until: since + length };
}

/** The options above as commander hands them over. */
export interface RecordOptions {
  db: string;
  since?: number;
  until?: number;
}

/** The window of the options. Throws BouhekiError `usage` for one that ends before it begins. */
export function windowOf({ since, until }: RecordOptions): { since?: number; until?: number } {
  if (since !== undefined && until !== undefined && until <= since) {
    throw new BouhekiError('usage', 'nothing is from --since on and before --until', {
      remedy: '--until must be the later of the two',
    });
  }
  return { ...(since === undefined ? {} : { since }), ...(until === undefined ? {} : { until }) };
}
