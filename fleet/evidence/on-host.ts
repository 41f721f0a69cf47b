import { countHosts, placesIn } from '../../generator/fleet/host-set.ts';
import { type HostIdentity, hostTexts, isForHosts } from '../../policy/meaning/host.ts';
import type { Policy } from '../../policy/meaning/policy.ts';
import type { RecordedObservation } from '../../profiler/read/read.ts';

/**
 * Observations as a policy is to judge them. A rule for named hosts is for some of those that showed one alone: then there
 * is an observation for the hosts that the policy treats alike, with its part of the events. `counted`: the hosts by their
 * places.
 */
export function onHosts(
  policy: Policy,
  observations: readonly RecordedObservation[],
  counted: readonly HostIdentity[],
): RecordedObservation[] {
  if (!isForHosts(policy)) return [...observations];
  const listed = new Set([...policy.boxes, ...(policy.modes ?? [])].flatMap(({ from }) => from.host ?? []));
  const alike = counted.map((host) => hostTexts(host).filter((text) => listed.has(text)));
  return observations.flatMap((observation) => parts(observation, alike));
}

function parts(observation: RecordedObservation, alike: readonly string[][]): RecordedObservation[] {
  const { count, hosts = new Uint8Array(0) } = observation;
  const groups = new Map<string, { on: readonly string[]; hosts: Uint8Array }>();
  for (const place of placesIn(hosts)) {
    const on = alike[place]!;
    const key = JSON.stringify(on);
    const group = groups.get(key) ?? { on, hosts: new Uint8Array(hosts.length) };
    groups.set(key, group);
    group.hosts[place >> 3]! |= 1 << (place & 7);
  }
  const all = countHosts(hosts);
  return [...groups.values()].map((group) => {
    const share = Math.max(1, Math.round((count * countHosts(group.hosts)) / all));
    return Object.assign({}, observation, group, { count: share });
  });
}
