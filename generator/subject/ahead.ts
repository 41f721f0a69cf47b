import type { RecordedObservation } from '../../profiler/read/read.ts';

/** Tenths of the window that a policy is learnt from when it is tried on the rest. */
export const TRAINING = 8;
/** Parts of the window. */
export const TENTHS = 10;

type Blocks = Pick<RecordedObservation, 'blocks'>;

/** Whether there were events before a tenth of the window. */
export function isSeenBefore({ blocks }: Blocks, tenth: number): boolean {
  return blocks.some((count, at) => at < tenth && count > 0);
}

/** Events from a tenth of the window on, up to another one. */
export function eventsFrom({ blocks }: Blocks, tenth: number, end = Infinity): number {
  return blocks.reduce((sum, count, at) => (at >= tenth && at < end ? sum + count : sum), 0);
}
