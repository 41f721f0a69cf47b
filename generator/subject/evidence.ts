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

/** `2026-11-21 09:30:00Z`, whole seconds, UTC. */
export function formatTime(microseconds: number): string {
  return `${new Date(Math.floor(microseconds / 1000)).toISOString().slice(0, 19).replace('T', ' ')}Z`;
}

/** `1 event`, `1,204 events`, `2 entries`. */
export function formatCount(count: number, one: string, many = `${one}s`): string {
  const digits = String(count).replace(/\B(?=(\d{3})+$)/g, ',');
  return `${digits} ${count === 1 ? one : many}`;
}
