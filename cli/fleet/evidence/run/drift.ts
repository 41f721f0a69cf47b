import { fleetRecord, shownAt } from '../../../../fleet/evidence/record.ts';
import { onHosts } from '../../../../fleet/evidence/on-host.ts';
import type { HubClient } from '../../../../fleet/wire/client.ts';
import { type Case, compare } from '../../../../generator/drift/drift.ts';
import { allFindings } from '../../../../generator/drift/finding/all-findings.ts';
import { changesOf } from '../../../../generator/drift/finding/change.ts';
import type { Finding } from '../../../../generator/drift/finding/finding.ts';
import { outlierHosts } from '../../../../generator/drift/finding/outlier.ts';
import { WatchedTime } from '../../../../generator/drift/finding/silence.ts';
import { hostsOf, placesIn } from '../../../../generator/fleet/host-set.ts';
import type { DriftOptions } from '../../../drift/assess.ts';
import { identify } from '../../../drift/format/identify.ts';
import { readAcknowledgements } from '../../../drift/ignore-file.ts';
import { printReport } from '../../../drift/report-drift.ts';
import { select } from '../../../drift/selection.ts';
import { parseWithPlaces, readPolicyText } from '../../../option/policy-file.ts';
import { warnAtOnce } from '../../../option/policy-reader.ts';
import { type OperatorOptions, withOperator } from '../../operator/run/operator.ts';
import { onlyWorkload, readEvidence } from './evidence.ts';

/** What `fleet drift` was asked for, as commander hands it over. */
export interface FleetDriftOptions
  extends
    OperatorOptions,
    Pick<
      DriftOptions,
      'failOn' | 'format' | 'groupBy' | 'ignore' | 'json' | 'limit' | 'unusedAfter' | 'wide'
    > {
  workload?: string;
  /** Microseconds since the epoch. */
  since: number;
}

/** Prints how what the hosts of a workload showed and a policy differ: one of a file, else the one in force. */
export async function fleetDrift(file: string | undefined, options: FleetDriftOptions): Promise<void> {
  await withOperator(options, async (hub) => {
    const workload = options.workload ?? (await onlyWorkload(hub));
    const { name, text } = await policyOf(hub, workload, file);
    report({ name, text }, options, { hub, workload, ...(await evidenceOf(hub, workload, options)) });
  });
}

type Shown = Awaited<ReturnType<typeof evidenceOf>>;

async function evidenceOf(hub: HubClient, workload: string, { since }: FleetDriftOptions) {
  const until = Date.now() * 1000;
  const { hosts, rows } = await readEvidence(hub, { workload, since, until });
  return { hosts, record: fleetRecord(hosts, rows, { workload, minHosts: 1 }), until };
}

function report(
  { name, text }: { name: string; text: string },
  options: FleetDriftOptions,
  { hosts, record, until }: Shown & { hub: HubClient; workload: string },
): void {
  const parsed = parseWithPlaces(text, name, warnAtOnce);
  const { policy } = parsed;
  const { accounts, fleet } = record;
  // What this machine calls its users says nothing of those hosts.
  const now = compare(policy, onHosts(policy, record.apart ?? record.observations, hosts.counted), {
    accounts,
  });
  const watched = new WatchedTime([{ start: options.since, end: until }]);
  const found = allFindings(policy, {
    now,
    watched,
    unusedAfter: options.unusedAfter * 1_000_000,
    at: until,
  });
  const all = identify(withHosts(found, now.cases, fleet.counted));
  const acknowledgements = options.ignore === undefined ? [] : readAcknowledgements(options.ignore);
  printReport(name, options, {
    parsed,
    policy,
    links: new Map(),
    evidence: { observations: [...record.observations], past: [], watched, accounts, hidden: 0, losses: [] },
    comparison: now,
    changes: changesOf(now.cases, now.allowed),
    selection: select(all, acknowledgements, new Set(), until),
    outliers: outlierHosts(
      shownAt(record).flatMap((each) => each.hosts ?? []),
      fleet.counted,
    ),
  });
}

/** The findings with the hosts that showed what they are about. */
function withHosts(
  findings: readonly Finding[],
  cases: readonly Case[],
  counted: readonly string[],
): Finding[] {
  const observed = new Map(cases.map(({ entry, observations }) => [entry, observations]));
  return findings.map((finding) => {
    const hosts = hostsOf(finding.entries.flatMap((entry) => observed.get(entry) ?? []));
    const names = placesIn(hosts).map((place) => counted[place]!);
    if (names.length === 0) return finding;
    return Object.assign({}, finding, {
      hosts: { shown: names.length, of: counted.length, names: names.toSorted() },
    });
  });
}

/** The policy of a file, or the one in force. */
async function policyOf(
  hub: HubClient,
  workload: string,
  file: string | undefined,
): Promise<{ name: string; text: string }> {
  if (file !== undefined) return { name: file, text: readPolicyText(file) };
  const { body, revision } = await hub.call('Admin/Policy', { workload });
  return { name: `${workload}-${revision}.yaml`, text: body.toString('utf8') };
}
