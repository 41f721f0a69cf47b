import { visible } from '../../../../error/visible.ts';
import { describeStage, type Plan } from '../../../../fleet/release/plan.ts';
import { readManifest } from '../../../../fleet/wire/manifest.ts';
import type { ReleaseMessage, RolloutCommand } from '../../../../fleet/wire/message.ts';
import { formatMoment } from '../../../../format/moment.ts';
import { jsonDocument } from '../../../terminal/json-document.ts';
import { type OperatorOptions, withOperator } from './operator.ts';

export type RolloutAction = RolloutCommand['action'];

/** What `fleet rollout` was asked for. */
export interface RolloutOptions extends OperatorOptions {
  reason?: string;
  json?: boolean;
}

/** Names that are shown of many. */
const SHOWN = 5;

/** States that a person has to look at. */
const TROUBLED: ReadonlySet<string> = new Set(['paused', 'halted', 'rolling-back', 'rolled-back']);

/** Commands a roll-out, or reports it. */
export async function rollout(
  action: RolloutAction,
  workload: string,
  { json = false, reason = '', ...options }: RolloutOptions,
): Promise<void> {
  const release = await withOperator(options, (hub) =>
    hub.call('Admin/Rollout', { workload, action, reason }),
  );
  process.stdout.write(json ? jsonDocument('fleet-rollout', releaseJson(release)) : releaseText(release));
  if (action === 'status' && TROUBLED.has(release.state)) process.exitCode = 1;
}

/** A release as JSON: digests in hexadecimal, moments in ISO 8601. */
function releaseJson(release: ReleaseMessage): object {
  const { digest, manifest, plan, previous, signatures, since, ...rest } = release;
  return {
    ...rest,
    digest: digest.toString('hex'),
    previous: previous.length === 0 ? null : previous.toString('hex'),
    since: new Date(since).toISOString(),
    plan: JSON.parse(plan) as unknown,
    authors: signatures.map(({ key }) => key),
    notAfter: readManifest(manifest)?.notAfter ?? null,
  };
}

/** Why hosts are in no roll-out, with some of their names. */
export function leftOutText(names: readonly string[], count = names.length): string {
  const more = count > SHOWN ? ` and ${count - SHOWN} more` : '';
  const shown = names.slice(0, SHOWN).join(', ') + more;
  return `${shown} (learn, or enforce a policy of their own)`;
}

function countOf({ stages }: ReleaseMessage, state: string): number | undefined {
  return stages.find((each) => each.state === state)?.hosts;
}

/** What people read of a release: where it is, why it waits, its hosts by state, and its plan. */
export function releaseText(release: ReleaseMessage): string {
  const { leftOut, reason, revision, since, stage, stages, state, workload } = release;
  const plan = JSON.parse(release.plan) as Plan;
  const goesOn = state === 'running' || state === 'paused';
  const lines = [
    `release ${revision} of ${workload}: ${state}${goesOn ? `, stage ${stage + 1} of ${plan.stages.length}` : ''}`,
    ...(reason === '' ? [] : [`  ${reason}`]),
    `  policy ${release.digest.toString('hex').slice(0, 12)}, published ${formatMoment(since * 1000)}`,
    `  hosts: ${stages.map((each) => `${each.hosts} ${each.state}`).join(', ') || 'none'}`,
    ...(leftOut.length === 0 ? [] : [`  left out: ${leftOutText(leftOut, countOf(release, 'left-out'))}`]),
    ...plan.stages.map((each, at) => `  ${goesOn && at === stage ? '>' : ' '} ${describeStage(each)}`),
  ];
  return lines.map((line) => `${visible(line)}\n`).join('');
}
