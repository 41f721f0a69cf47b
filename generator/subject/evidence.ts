import type { Observation } from '../../profiler/read/observation.ts';

/** How often and when something was seen. Times in microseconds since the epoch. */
export interface Evidence {
  count: number;
  first: number;
  last: number;
}

/** The evidence of several observations together. There must be at least one. */
export function sumEvidence(
  observations: readonly Pick<Observation, 'count' | 'first' | 'last'>[],
): Evidence {
  const sum: Evidence = { count: 0, first: Infinity, last: -Infinity };
  for (const { count, first, last } of observations) {
    sum.count += count;
    sum.first = Math.min(sum.first, first);
    sum.last = Math.max(sum.last, last);
  }
  return sum;
}
