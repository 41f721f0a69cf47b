import { countHosts, placesIn } from '../../generator/fleet/host-set.ts';
import { type HostIdentity, hostTexts, isForHosts } from '../../policy/meaning/host.ts';
import { keepOf } from '../../policy/meaning/known-name.ts';
import type { Policy } from '../../policy/meaning/policy.ts';
import type { RecordedObservation } from '../../profiler/read/read.ts';

/** Hosts that showed an observation and are judged alike. */
interface Group {
  /** By what rules name them; undefined: the policy names no hosts. */
  on: readonly string[] | undefined;
  hosts: Uint8Array;
  /** Seconds after the TTL, in the order of their places. */
  ages: number[];
}

/**
 * Observations as a policy is to judge them. A rule for named hosts is for some of those that showed one alone, and a name
 * counts on those that did not need it for longer than `keep`: then there is an observation for the hosts that the policy
 * treats alike, with its part of the events. `counted`: the hosts by their places.
 */
export function onHosts(
  policy: Policy,
  observations: readonly RecordedObservation[],
  counted: readonly HostIdentity[],
): RecordedObservation[] {
  if (!isForHosts(policy)) return byAges(policy, observations);
  const listed = new Set([...policy.boxes, ...(policy.modes ?? [])].flatMap(({ from }) => from.host ?? []));
  const alike = counted.map((host) => hostTexts(host).filter((text) => listed.has(text)));
  const keeps = keepsOf(policy);
  return observations.flatMap((observation) => parts(observation, keeps, alike));
}

/** As `onHosts`, but for rules for named hosts: the policy is that of one host, or has none. */
export function byAges(policy: Policy, observations: readonly RecordedObservation[]): RecordedObservation[] {
  const keeps = keepsOf(policy);
  if (keeps.length === 0) return [...observations];
  return observations.flatMap((each) => ((each.ages?.length ?? 0) > 0 ? parts(each, keeps) : [each]));
}

/** Each time for which names count in the policy, once. */
function keepsOf({ boxes }: Policy): number[] {
  return [...new Set(boxes.flatMap(({ to }) => (to.names === undefined ? [] : [keepOf(to)])))];
}

function parts(
  observation: RecordedObservation,
  keeps: readonly number[],
  alike?: readonly (readonly string[])[],
): RecordedObservation[] {
  const { ages = [], count, hosts = new Uint8Array(0), known } = observation;
  const groups = new Map<string, Group>();
  for (const [at, place] of placesIn(hosts).entries()) {
    const age = ages[at] ?? known?.age ?? 0;
    const on = alike?.[place];
    const key = JSON.stringify([on, keeps.filter((keep) => keep < age).length]);
    const group = groups.get(key) ?? { on, hosts: new Uint8Array(hosts.length), ages: [] };
    groups.set(key, group);
    group.hosts[place >> 3]! |= 1 << (place & 7);
    group.ages.push(age);
  }
  const all = countHosts(hosts);
  return [...groups.values()].map((group) => {
    const share = Math.max(1, Math.round((count * group.ages.length) / all));
    return Object.assign({}, observation, partOf(group, known), { count: share });
  });
}

function partOf(
  { ages, hosts, on }: Group,
  known: RecordedObservation['known'],
): Partial<RecordedObservation> {
  const age = ages.reduce((most, each) => Math.max(most, each), -Infinity);
  return { hosts, ...(on && { on }), ...(known && { ages, known: { ...known, age } }) };
}
