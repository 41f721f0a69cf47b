import type { Loss, RecordingSummary } from '../../../profiler/read/read.ts';
import { isEventLoss } from '../../../profiler/read/read.ts';
import { HOUR_BYTES, weekStart } from '../../wire/week.ts';
import type { Window } from '../../wire/message.ts';

/** Microseconds. */
const HOUR = 3_600_000_000;
const HOURS = 168;

/**
 * What this host could have seen in a week: the hours in any part of which it recorded, and what was lost. `losses` are
 * those of the week. Undefined where nothing was recorded then. Times in microseconds since the epoch.
 */
export function windowOf(
  week: number,
  recordings: readonly RecordingSummary[],
  losses: readonly Loss[],
  now: number,
): Window | undefined {
  const own = recordings.filter(({ command }) => command !== 'import');
  const start = weekStart(week);
  const hours = Buffer.alloc(HOUR_BYTES);
  let backend = '';
  for (const { backend: by, endedAt, startedAt, state } of own) {
    const end = state === 'running' ? now : endedAt;
    const first = Math.max(0, Math.floor((startedAt - start) / HOUR));
    const last = Math.min(HOURS - 1, Math.floor((end - start) / HOUR));
    for (let hour = first; hour <= last; hour += 1) hours[hour >> 3]! |= 1 << (hour & 7);
    if (first <= last) backend = by;
  }
  if (backend === '') return undefined;
  const known = new Set(own.map(({ id }) => id));
  const lost = losses
    .filter((loss) => known.has(loss.recording) && isEventLoss(loss))
    .reduce((sum, { count }) => sum + count, 0);
  return { week, recordedHours: hours, lost, backend };
}
