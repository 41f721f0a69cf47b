import { InvalidArgumentError, Option } from 'commander';
import { weekOf, weekStart } from '../../../fleet/wire/week.ts';

/** Milliseconds. */
const DAY = 86_400_000;

/** `2026-W48` as ISO 8601 numbers weeks, or a date within the week. Returns weeks since Monday 1970-01-05. */
function readWeek(text: string): number {
  const time = momentIn(text);
  if (!Number.isNaN(time)) return weekOf(time * 1000);
  throw new InvalidArgumentError('It must be a week such as 2026-W48, or a date within it.');
}

function momentIn(text: string): number {
  const iso = /^(\d{4})-?W(\d{2})$/.exec(text);
  if (iso === null) return /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(text) : Number.NaN;
  const [year, number] = [Number(iso[1]), Number(iso[2])];
  // The first week is that of the fourth of January.
  const thursday = weekStart(weekOf(Date.UTC(year, 0, 4) * 1000)) / 1000 + (7 * (number - 1) + 3) * DAY;
  return number > 0 && new Date(thursday).getUTCFullYear() === year ? thursday : Number.NaN;
}

/** `--week WEEK`: the one that it is now where nothing is said. Weeks begin on Monday, in UTC. */
export function weekOption(): Option {
  const now = weekOf(Date.now() * 1000);
  return new Option('--week <week>', 'a week such as 2026-W48, or a date within it; Monday to Sunday, in UTC')
    .argParser(readWeek)
    .default(now, 'this week');
}
