import { prefixOf, type Prefix } from '../../policy/value/cidr.ts';
import { prefixGroup } from '../../policy/value/prefix-group.ts';
import { subtractPrefixes } from '../../policy/value/prefix-set.ts';
import type { Observation } from '../../profiler/read/observation.ts';
import { AddressSet } from '../destination/address-set.ts';
import { ruleSubject } from './subject.ts';
import { destinationAddress } from '../destination/destination.ts';

/** The addresses of cloud metadata services. */
export const METADATA: readonly Prefix[] = prefixGroup('metadata')!;

/**
 * The addresses of cloud metadata services that the policy denies: all of them, unless a subject that a rule
 * can name by more than a command name was seen there. They hand out credentials, so a process without an
 * identity gets no pass.
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
