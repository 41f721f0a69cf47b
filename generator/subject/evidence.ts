import { neededKeep } from '../../policy/meaning/known-name.ts';
import type { Observation } from '../../profiler/read/observation.ts';
import type { RecordedObservation } from '../../profiler/read/read.ts';
import { HOUR } from '../../profiler/read/stretch.ts';
import { mostOf } from './order.ts';

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

/** Names that are told of several observations. */
const MOST_NAMES = 8;

/** The names that the addresses of observations were known by, each once, as many as are told. */
export function sumNames(observations: readonly Pick<Observation, 'names'>[]): string[] {
  const found = new Set<string>();
  for (const { names = [] } of observations) for (const name of names) found.add(name);
  return [...found].slice(0, MOST_NAMES);
}

/**
 * How many hours clock hours are: events of a day touch 25 of the clock, but are in 24. Hours are counted
 * from the first event, which is in one already.
 */
export function elapsedHours(clockHours: number, { first, last }: Pick<Evidence, 'first' | 'last'>): number {
  return Math.min(clockHours, Math.max(0, Math.floor((last - first) / HOUR)) + 1);
}

/** The least of the usual times, in seconds, for which the names of all these events counted. */
export function keepFor(observations: readonly RecordedObservation[]): number {
  return neededKeep(mostOf(observations, ({ known }) => known?.age ?? 0));
}
