import { InvalidArgumentError } from 'commander';
import { LONGEST_TRIAL } from '../../daemon/control/control-request.ts';
import { parseDuration } from '../../format/duration.ts';

/** Seconds of an option such as `24h`. */
export function readDuration(text: string): number {
  const seconds = parseDuration(text);
  if (seconds === undefined)
    throw new InvalidArgumentError('It must be a duration such as 90s, 15m, 24h or 7d.');
  return seconds;
}

/** Seconds that a policy waits for its confirmation, or pauses. */
export function readTrial(text: string): number {
  const seconds = readDuration(text);
  if (seconds > 0 && seconds <= LONGEST_TRIAL) return seconds;
  throw new InvalidArgumentError('It must be a day at the most, such as 60s or 5m.');
}
