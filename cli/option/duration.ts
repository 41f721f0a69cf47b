import { InvalidArgumentError, Option } from 'commander';
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

/** `--at-least TIME`, with its default: seconds. */
export function atLeastOption(): Option {
  return new Option('--at-least <time>', 'how long a subject must have been seen for to be stable')
    .argParser(readDuration)
    .default(3600, '1h');
}

/** `--unused-after TIME`, with its default: seconds. */
export function unusedAfterOption(): Option {
  return new Option('--unused-after <time>', 'how long a rule must have been without traffic to be a finding')
    .argParser(readDuration)
    .default(8 * 86_400, '8d');
}
