import { BouhekiError } from '../../../../error/error.ts';
import { type FleetRecord, fleetRecord } from '../../../../fleet/evidence/record.ts';
import type { HubClient } from '../../../../fleet/wire/client.ts';
import { listOf } from '../../operator/run/operator.ts';
import type { AggregateHosts, AggregateRow } from '../../../../fleet/wire/message.ts';

/** Which evidence is asked for. Times in microseconds since the epoch. */
export interface EvidenceQuery {
  workload: string;
  since?: number;
  until?: number;
  /** Hours that a host must have recorded to count; a day where nothing is said. */
  leastHours?: number;
}

/** Evidence of a workload, as hubs aggregate it. */
export interface Aggregated {
  hosts: AggregateHosts;
  rows: AggregateRow[];
}

/** How far back, where nothing is said. Microseconds. */
const USUAL = 14 * 86_400_000_000;
const LEAST_HOURS = 24;
/** Milliseconds: a large workload takes an engine some seconds. */
const PATIENCE = 600_000;

/** What the hosts of a workload showed. Throws BouhekiError `fleet` for an answer that begins otherwise than with hosts. */
export async function readEvidence(hub: HubClient, query: EvidenceQuery): Promise<Aggregated> {
  const now = Date.now() * 1000;
  const { leastHours = LEAST_HOURS, since = now - USUAL, until = now, workload } = query;
  const request = { workload, since, until, leastRecordedHours: leastHours };
  const rows: AggregateRow[] = [];
  let hosts: AggregateHosts | undefined;
  for await (const message of hub.stream('Admin/Aggregate', request, { within: PATIENCE })) {
    if (message.it === 'hosts') hosts = message.hosts!;
    else rows.push(message.row!);
  }
  if (hosts !== undefined) return { hosts, rows };
  throw new BouhekiError('fleet', `the hub ${hub.address} says nothing of the hosts of ${workload}`, {
    remedy: 'Use a hub of this version.',
  });
}

/** The same as a record. */
export async function readFleetRecord(
  hub: HubClient,
  query: EvidenceQuery & { minHosts: number },
): Promise<FleetRecord> {
  const { hosts, rows } = await readEvidence(hub, query);
  return fleetRecord(hosts, rows, query);
}

/** The workload of a fleet that has one. Throws BouhekiError `usage` where there are more, or none. */
export async function onlyWorkload(hub: HubClient): Promise<string> {
  const all = await listOf(hub, 'Admin/Workloads');
  const [only] = all;
  if (only !== undefined && all.length === 1) return only.name;
  throw new BouhekiError('usage', `there are ${all.length} workloads, and none is named`, {
    remedy: `Name one with --workload${all.length === 0 ? '' : `: ${all.map(({ name }) => name).join(', ')}`}.`,
  });
}
