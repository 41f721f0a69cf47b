import type { Address } from '../policy/address.ts';
import { lastOf, prefixOf, type Prefix } from '../policy/cidr.ts';
import { prefixGroup } from '../policy/prefix-group.ts';
import { mergePrefixes, subtractPrefixes } from '../policy/prefix-set.ts';
import type { Observation } from '../profiler/observation.ts';
import { destinationAddress } from './flow.ts';
import { ruleSubject } from './subject.ts';

/** The addresses of cloud metadata services. */
export const METADATA: readonly Prefix[] = prefixGroup('metadata')!;

/** Set of addresses as disjoint blocks, looked up by binary search. */
export class DenySet {
  readonly #blocks: readonly Prefix[];

  constructor(prefixes: readonly Prefix[]) {
    this.#blocks = mergePrefixes(prefixes);
  }

  has(address: Address): boolean {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const block = this.#blocks[middle]!;
      if (
        block.family < address.family ||
        (block.family === address.family && lastOf(block) < address.value)
      ) {
        low = middle + 1;
      } else high = middle;
    }
    const block = this.#blocks[low];
    return block !== undefined && block.family === address.family && block.value <= address.value;
  }
}

/**
 * The addresses of cloud metadata services that the policy denies: all of them, unless somebody whom a rule can name by
 * more than a command name was seen there. They hand out credentials, so a process without an identity gets no pass.
 */
export function metadataDenies(observations: readonly Observation[]): Prefix[] {
  const all = new DenySet(METADATA);
  const used = observations.flatMap((observation): Prefix[] => {
    const address = destinationAddress(observation);
    if (!all.has(address) || ruleSubject(observation.subject)?.named !== true) return [];
    return [prefixOf(address)];
  });
  return subtractPrefixes(METADATA, used);
}
