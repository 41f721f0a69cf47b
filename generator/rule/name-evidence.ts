import { formatDuration } from '../../format/duration.ts';
import { formatCount, formatNumber } from '../../format/number.ts';
import { formatKeep } from '../../policy/value/keep.ts';
import type { RecordedObservation } from '../../profiler/read/read.ts';
import { keepFor, sumEvidence } from '../subject/evidence.ts';
import { mostOf } from '../subject/order.ts';

/**
 * What is known of the names that rules go by: `340 events by 3 names, 19 addresses seen, shared with 14 names; 331 asked
 * by the program itself; keep 1h covers all (longest 12m after the TTL)`. Nothing where none do.
 */
export function describeNames(observations: readonly RecordedObservation[]): string[] {
  const named = observations.filter(({ name }) => name !== undefined);
  if (named.length === 0) return [];
  const { count } = sumEvidence(named);
  const ofName = new Map<string, number>();
  for (const { name, seen } of named) ofName.set(name!, Math.max(seen!.names, ofName.get(name!) ?? 0));
  const names = [...ofName.values()].reduce((sum, each) => sum + each, 0);
  const wildcards = [...ofName].filter(([name]) => name.startsWith('*.'));
  const addresses = named.reduce((sum, { seen }) => sum + seen!.addresses, 0);
  const others = mostOf(named, ({ seen }) => seen!.others);
  const self = named.reduce((sum, { seen }) => sum + seen!.self, 0);
  const keep = keepFor(named);
  const shared = others === 0 ? '' : `, shared with up to ${formatCount(others, 'other name')}`;
  const unbounded = wildcards.map(
    ([name, each]) => `${name} allows any number of names, ${formatNumber(each)} seen`,
  );
  return [
    `${formatCount(count, 'event')} by ${formatCount(names, 'name')}, ${formatCount(addresses, 'address', 'addresses')} seen${shared}; ` +
      `${formatNumber(self)} asked by the program itself; keep ${formatKeep(keep)} ${describeAges(named, keep)}`,
    ...unbounded,
  ];
}

/** How long after the end of their TTL names were used, beside the time that is proposed. */
function describeAges(named: readonly RecordedObservation[], keep: number): string {
  // In a fleet what too few hosts needed does not count, and is in their own ages alone.
  const oldest = mostOf(named, ({ ages = [], known }) =>
    ages.reduce((most, each) => Math.max(most, each), known!.age),
  );
  const longest = oldest > 0 ? `longest ${formatDuration(oldest)} after the TTL` : 'none after the TTL';
  return oldest > keep ? `covers all but what too few hosts needed (${longest})` : `covers all (${longest})`;
}
