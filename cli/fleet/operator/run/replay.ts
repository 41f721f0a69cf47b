import { visible } from '../../../../error/visible.ts';
import { byAges } from '../../../../fleet/evidence/on-host.ts';
import { fleetRecord, shownAt } from '../../../../fleet/evidence/record.ts';
import type { HubClient } from '../../../../fleet/wire/client.ts';
import type { AggregateHosts, AggregateRow } from '../../../../fleet/wire/message.ts';
import { formatCount } from '../../../../format/number.ts';
import { destinationAddress } from '../../../../generator/destination/destination.ts';
import { countHosts } from '../../../../generator/fleet/host-set.ts';
import { describeHostHoldOut, type HostHoldOut } from '../../../../generator/quorum.ts';
import { flowOf } from '../../../../generator/subject/flow.ts';
import { compileEvaluator } from '../../../../policy/meaning/evaluator.ts';
import { forHost, type HostIdentity } from '../../../../policy/meaning/host.ts';
import type { Flow, Policy } from '../../../../policy/meaning/policy.ts';
import { formatAddress } from '../../../../policy/value/address.ts';
import { formatProtocol } from '../../../../policy/value/protocol.ts';
import type { Observation } from '../../../../profiler/read/observation.ts';

/** Lines of a host that are shown. */
const SHOWN = 3;
/** Milliseconds in which the engine has to aggregate: 2,000 hosts take some ten seconds. */
const PATIENCE = 600_000;

/** What the hosts of a workload were allowed, and a policy would deny them. */
export interface Replay {
  /** Hosts with evidence. */
  hosts: number;
  /** Pairs of subject and destination, by the name of the host. */
  denied: { host: string; flows: string[] }[];
  /** Of subjects and destinations as hosts showed them. */
  holdOut: HostHoldOut;
}

/** Judges by a policy what the hosts of a workload showed since a moment, microseconds since the epoch. */
export async function replay(
  hub: HubClient,
  policy: Policy,
  { since, until, workload }: { since: number; until: number; workload: string },
): Promise<Replay> {
  let hosts: AggregateHosts = { counted: [], uncounted: [] };
  const rows: AggregateRow[] = [];
  const request = { workload, since, until, leastRecordedHours: 0 };
  for await (const message of hub.stream('Admin/Aggregate', request, { within: PATIENCE })) {
    if (message.hosts) hosts = message.hosts;
    if (message.row?.verdict === 'ALLOW') rows.push(message.row);
  }
  return judge(policy, workload, hosts, rows);
}

/** Pure: the same for rows in any order. */
export function judge(
  policy: Policy,
  workload: string,
  hosts: AggregateHosts,
  rows: readonly AggregateRow[],
): Replay {
  if (hosts.counted.length === 0) {
    return { hosts: 0, denied: [], holdOut: { alone: 0, shown: 0, hosts: 0 } };
  }
  const record = fleetRecord(hosts, rows, { workload, minHosts: 1 });
  const holdOut = holdOutOf(hosts, shownAt(record));
  const { accounts, apart, observations } = record;
  const shown = byAges(policy, apart ?? observations);
  const flows = shown.map((observation) => flowOf(observation, accounts));
  const deniedFor = denialsBy(policy, flows);
  const denied = hosts.counted.map((host, place) => {
    const lines = deniedFor(host)
      .map((at) => shown[at]!)
      .filter(({ hosts: by = [] }) => ((by[place >> 3] ?? 0) >> (place & 7)) & 1)
      .map(describe);
    return { host: host.name, flows: [...new Set(lines)].toSorted() };
  });
  return {
    hosts: hosts.counted.length,
    denied: denied.filter(({ flows: lines }) => lines.length > 0),
    holdOut,
  };
}

function holdOutOf({ counted }: AggregateHosts, observations: readonly Observation[]): HostHoldOut {
  const sizes = observations.map(({ hosts = new Uint8Array(0) }) => countHosts(hosts));
  return {
    alone: sizes.filter((size) => size === 1).length,
    shown: sizes.reduce((sum, size) => sum + size, 0),
    hosts: counted.length,
  };
}

/** Which of the flows are denied on a host: judged once for all hosts where the policy names none. */
function denialsBy(policy: Policy, flows: readonly Flow[]): (host: HostIdentity) => number[] {
  const known = new Map<Policy, number[]>();
  return (host) => {
    const own = forHost(policy, host);
    let denied = known.get(own);
    if (denied === undefined) {
      const judgeFlow = compileEvaluator(own);
      denied = flows.flatMap((flow, at) => (judgeFlow(flow).action === 'deny' ? [at] : []));
      if (own === policy) known.set(own, denied);
    }
    return denied;
  };
}

function describe(observation: Observation): string {
  const { port, protocol, socket, subject } = observation;
  const who = subject.exe ?? subject.command;
  if (socket !== undefined) return `${who}: ${socket}`;
  const address = formatAddress(destinationAddress(observation));
  const place = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  return `${who} -> ${place} ${formatProtocol(protocol)}`;
}

/** What people read of a replay. */
export function replayText({ denied, holdOut, hosts }: Replay, since: string): string {
  if (hosts === 0) return 'No host has shown anything yet: the policy is tried on nothing.\n';
  const head =
    `Replayed what ${formatCount(hosts, 'host')} showed in ${since}: ${countDenied({ denied })} would be denied.\n` +
    `Host hold-out: ${describeHostHoldOut(holdOut)}.\n`;
  return (
    head +
    denied
      .flatMap(({ flows, host }) => [
        `  ${host}: ${flows.length}`,
        ...flows.slice(0, SHOWN).map((line) => `    ${line}`),
      ])
      .map((line) => `${visible(line)}\n`)
      .join('')
  );
}

/** Subjects and destinations that would be denied, on all hosts together. */
export function countDenied({ denied }: Pick<Replay, 'denied'>): number {
  return denied.reduce((sum, { flows }) => sum + flows.length, 0);
}
