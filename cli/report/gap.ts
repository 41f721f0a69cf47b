import type { RecordingSummary } from '../../profiler/read/read.ts';
import { formatDuration } from '../../format/duration.ts';
import { formatMoment } from '../../format/moment.ts';

/** A line for each recording that was cut short and after which nothing was recorded for a while. */
export function describeGaps(recordings: readonly RecordingSummary[]): string {
  return recordings
    .filter(({ gap }) => gap !== undefined)
    .map(({ id, endedAt, gap }) => {
      return `Recording ${id} was cut short at ${formatMoment(endedAt)}; nothing was recorded for ${formatDuration(gap! / 1e6)}.\n`;
    })
    .join('');
}
