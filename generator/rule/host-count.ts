import { compileMatcher } from '../../policy/meaning/evaluator.ts';
import type { Box } from '../../policy/meaning/policy.ts';
import type { Prefix } from '../../policy/value/cidr.ts';
import type { RecordedObservation } from '../../profiler/read/read.ts';
import { observedDestination } from '../destination/destination.ts';
import { flowOf } from '../subject/flow.ts';
import { countHosts, hostsOf } from '../fleet/host-set.ts';
import { compareText, groupsOf } from '../subject/order.ts';
import { reachOfEntry } from './reach.ts';
import type { Rule } from './rule.ts';

/** Of a rule: how many hosts showed something that it allows, in all and by destination. */
export interface HostCount {
  of: number;
  hosts: number;
  /** Those that not all of `hosts` showed, the fewest first. */
  fewer: { destination: string; hosts: number }[];
}

/** The boxes of each rule with these prefixes for its entries. */
export function boxesOfRules(rules: readonly Rule[], lists: readonly (readonly Prefix[][])[]): Box[][] {
  return rules.map(({ entries, from, sockets }, rule) => [
    ...entries.map((each, entry): Box => {
      const to = reachOfEntry(each, lists[rule]![entry]!);
      return { action: 'allow', name: '', from, to };
    }),
    { action: 'allow', name: '', from, to: { sockets } },
  ]);
}

/**
 * For each rule the distinct hosts with an observation inside it, whichever rule it was made for: joined over
 * destinations, never added. `of`: all hosts that count.
 */
export function hostCounts(
  boxes: readonly (readonly Box[])[],
  observations: readonly RecordedObservation[],
  of: number,
): HostCount[] {
  const owners = boxes.flatMap((each, rule) => each.map(() => rule));
  const matches = compileMatcher(boxes.flat());
  const inside = boxes.map((): RecordedObservation[] => []);
  for (const observation of observations) {
    const rules = new Set(matches(flowOf(observation)).map((box) => owners[box]!));
    for (const rule of rules) inside[rule]!.push(observation);
  }
  return inside.map((held) => {
    const hosts = countHosts(hostsOf(held));
    const fewer = [...groupsOf(held, observedDestination)]
      .map(([destination, group]) => ({ destination, hosts: countHosts(hostsOf(group)) }))
      .filter((each) => each.hosts < hosts)
      .sort((a, b) => a.hosts - b.hosts || compareText(a.destination, b.destination));
    return { of, hosts, fewer };
  });
}
