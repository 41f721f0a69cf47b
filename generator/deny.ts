import { prefixOf, type Prefix } from '../policy/cidr.ts';
import { prefixGroup } from '../policy/prefix-group.ts';
import { subtractPrefixes } from '../policy/prefix-set.ts';
import type { Observation } from '../profiler/observation.ts';
import { AddressSet } from './address-set.ts';
import { destinationAddress } from './flow.ts';
import { ruleSubject } from './subject.ts';

/** The addresses of cloud metadata services. */
export const METADATA: readonly Prefix[] = prefixGroup('metadata')!;

/**
 * The addresses of cloud metadata services that the policy denies: all of them, unless somebody whom a rule can name by
 * more than a command name was seen there. They hand out credentials, so a process without an identity gets no pass.
 */
export function metadataDenies(observations: readonly Observation[]): Prefix[] {
  const all = new AddressSet(METADATA);
  const used = observations.flatMap((observation): Prefix[] => {
    const address = destinationAddress(observation);
    if (!all.has(address) || ruleSubject(observation.subject)?.named !== true) return [];
    return [prefixOf(address)];
  });
  return subtractPrefixes(METADATA, used);
}
