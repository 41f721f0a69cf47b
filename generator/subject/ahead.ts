import type { RecordedObservation } from '../../profiler/read/read.ts';

/** Tenths of the window that a policy is learnt from when it is tried on the rest. */
export const TRAINING = 8;
/** Parts of the window. */
export const TENTHS = 10;

type Blocks = Pick<RecordedObservation, 'blocks'>;

/** The tenth of the window in which something was seen first; none of them where it was not. */
export function firstTenth({ blocks }: Blocks): number {
  const first = blocks.findIndex((count) => count > 0);
  return first < 0 ? Infinity : first;
}

/** Whether there were events before a tenth of the window. */
export function isSeenBefore({ blocks }: Blocks, tenth: number): boolean {
  for (let at = 0; at < tenth && at < blocks.length; at++) if (blocks[at]! > 0) return true;
  return false;
}

/** Events from a tenth of the window on, up to another one. */
export function eventsFrom({ blocks }: Blocks, tenth: number, end = Infinity): number {
  let sum = 0;
  for (let at = tenth; at < end && at < blocks.length; at++) sum += blocks[at]!;
  return sum;
}
