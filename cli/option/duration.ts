import { InvalidArgumentError } from 'commander';
import { parseDuration } from '../../format/duration.ts';

/** Seconds of an option such as `24h`. */
export function readDuration(text: string): number {
  const seconds = parseDuration(text);
  if (seconds === undefined)
    throw new InvalidArgumentError('It must be a duration such as 90s, 15m, 24h or 7d.');
  return seconds;
}
