import { MAX_ENDS } from '../bpf/wire.ts';
import { endsOf, holdsAt } from '../policy/meaning/end.ts';
import type { Box } from '../policy/meaning/policy.ts';
import { type BoxVector, boxesWhere } from './vector/box-vector.ts';

/** When rules end, and what holds then. */
export interface Ends {
  /** When, microseconds since the epoch, ascending. */
  times: readonly number[];
  /** By the number of them that have come: the boxes that still hold. */
  lasting: readonly BoxVector[];
}

/** When boxes end. There are at most MAX_ENDS times. */
export function compileEnds(boxes: readonly Box[]): Ends {
  const times = endsOf({ boxes });
  const moments = [-Infinity, ...times];
  return { times, lasting: moments.map((moment) => boxesWhere(boxes, (box) => holdsAt(box, moment))) };
}

/** Nanoseconds of a microsecond. */
const MICROSECOND = 1000n;
/** A time that never comes. */
const NEVER = (1n << 64n) - 1n;

/**
 * The times of ends as the kernel side has them: nanoseconds since boot, where `boot` microseconds since the epoch are
 * the time 0 of its clock. One from before the boot is 1, which has passed.
 */
export function endDeadlines({ times }: Pick<Ends, 'times'>, boot: number): BigUint64Array<ArrayBuffer> {
  const deadlines = new BigUint64Array(MAX_ENDS + 1).fill(NEVER);
  for (const [at, time] of times.entries()) {
    const deadline = BigInt(Math.round(time - boot)) * MICROSECOND;
    deadlines[at] = deadline < 1n ? 1n : deadline > NEVER ? NEVER : deadline;
  }
  return deadlines;
}
