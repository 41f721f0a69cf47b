import { visible } from '../../../../error/visible.ts';
import type { HostMessage, ReleaseMessage, WorkloadMessage } from '../../../../fleet/wire/message.ts';
import { formatCount } from '../../../../format/number.ts';
import { jsonDocument } from '../../../terminal/json-document.ts';
import { leftOutNames } from '../../../../fleet/wire/feature.ts';
import { listOf, type OperatorOptions, withOperator } from './operator.ts';
import { leftOutText } from './rollout.ts';

/** What `fleet status` was asked for. */
export interface StatusOptions extends OperatorOptions {
  json: boolean;
}

/** A host without a sign of life for so long is silent, milliseconds; hubs write those they had every 30 s. */
const SILENT = 5 * 60_000;
/** Clocks that differ by more make hours and times of evidence wrong, milliseconds. */
const SKEWED = 5 * 60_000;
/** States of a roll-out that somebody has to look at. */
const STOPPED: ReadonlySet<string> = new Set(['paused', 'halted', 'rolling-back', 'rolled-back']);

interface WorkloadStatus {
  workload: string;
  hosts: number;
  release: { revision: number; state: string; stage: string; reason: string } | null;
  /** Hosts that hold the release. */
  inForce: number;
  pending: number;
  /** Names of hosts that take no policies, where there is a release. */
  leftOut: string[];
  findings: string[];
}

/** Prints each workload, and sets the exit status. */
export async function fleetStatus({ json, ...options }: StatusOptions): Promise<void> {
  const [workloads, releases, hosts] = await withOperator(options, (hub) =>
    Promise.all([listOf(hub, 'Admin/Workloads'), listOf(hub, 'Admin/Releases'), listOf(hub, 'Admin/Hosts')]),
  );
  const now = Date.now();
  const known = hosts.filter(({ state }) => state !== 'revoked');
  const statuses = workloads
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((workload) =>
      statusOf(
        workload,
        known.filter((host) => host.workload === workload.name),
        releases.find((release) => release.workload === workload.name),
        now,
      ),
    );
  const strays = known.filter(({ workload }) => workload === '').map(({ name }) => name);
  process.stdout.write(
    json ? jsonDocument('fleet-status', { workloads: statuses, strays }) : text(statuses, strays),
  );
  if (statuses.some(({ findings }) => findings.length > 0)) process.exitCode = 1;
}

function statusOf(
  { name }: WorkloadMessage,
  hosts: readonly HostMessage[],
  release: ReleaseMessage | undefined,
  now: number,
): WorkloadStatus {
  return {
    workload: name,
    hosts: hosts.length,
    release: release
      ? { revision: release.revision, state: release.state, stage: release.stageName, reason: release.reason }
      : null,
    inForce: hosts.filter(({ digest }) => release && digest.equals(release.digest)).length,
    pending: hosts.filter(({ placement }) => placement === 'pending').length,
    leftOut: release ? leftOutNames(hosts) : [],
    findings: [...releaseFindings(release), ...hostFindings(hosts, now)],
  };
}

function releaseFindings(release: ReleaseMessage | undefined): string[] {
  if (!release || !STOPPED.has(release.state)) return [];
  const why = release.reason === '' ? '' : `: ${release.reason}`;
  return [`release ${release.revision} is ${release.state}${why}`];
}

/** What may be wrong with hosts, each with those that have it. */
function hostFindings(hosts: readonly HostMessage[], now: number): string[] {
  const kinds: [string, (host: HostMessage) => boolean][] = [
    ['refused the release', ({ placement }) => placement === 'refused'],
    ['went back by itself', ({ fallback }) => fallback],
    ['holds a policy whose time is over', ({ stale }) => stale],
    ['is silent', ({ lastSeen, state }) => state === 'active' && now - lastSeen > SILENT],
    ['has a clone', ({ clone }) => clone],
    ['lost events', ({ lost }) => lost > 0],
    ['has a clock that differs by more than 5 minutes', ({ skew }) => Math.abs(skew) > SKEWED],
    ['is in quarantine', ({ state }) => state === 'quarantined'],
  ];
  return kinds.flatMap(([what, is]) => {
    const names = hosts.filter(is).map(({ name }) => name);
    if (names.length === 0) return [];
    const shown = names.toSorted().slice(0, 5).join(', ');
    return [`${what}: ${formatCount(names.length, 'host')} (${shown}${names.length > 5 ? ', ...' : ''})`];
  });
}

function text(statuses: readonly WorkloadStatus[], strays: readonly string[]): string {
  const lines = statuses.flatMap(({ findings, hosts, inForce, leftOut, pending, release, workload }) => {
    const holds = release
      ? `release ${release.revision} ${release.state}, held by ${inForce}${pending > 0 ? `, ${pending} pending` : ''}`
      : 'no release';
    return [
      `${workload}: ${formatCount(hosts, 'host')}, ${holds}`,
      ...(leftOut.length === 0 ? [] : [`    left out: ${leftOutText(leftOut)}`]),
      ...findings.map((each) => `  ! ${each}`),
    ];
  });
  if (strays.length > 0) lines.push(`no workload selects ${formatCount(strays.length, 'host')}`);
  if (lines.length === 0) lines.push('There is no workload: see `bouheki fleet workload set`.');
  return lines.map((line) => `${visible(line)}\n`).join('');
}
