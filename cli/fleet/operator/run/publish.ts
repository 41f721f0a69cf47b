import { createHash, type KeyObject } from 'node:crypto';
import { visible } from '../../../../error/visible.ts';
import { BouhekiError } from '../../../../error/error.ts';
import { defaultPlan, type Plan } from '../../../../fleet/release/plan.ts';
import type { HubClient } from '../../../../fleet/wire/client.ts';
import { leftOutNames } from '../../../../fleet/wire/feature.ts';
import { manifestBytes, type Mode } from '../../../../fleet/wire/manifest.ts';
import type { HostMessage } from '../../../../fleet/wire/message.ts';
import { keyId, signManifest } from '../../../../fleet/wire/signature.ts';
import { formatDuration } from '../../../../format/duration.ts';
import { formatCount, formatPercent } from '../../../../format/number.ts';
import { unseenByOthers } from '../../../../generator/quorum.ts';
import { renderProblem } from '../../../../policy/file/problem.ts';
import type { Policy } from '../../../../policy/meaning/policy.ts';
import { parseWithPlaces, readTrustedPolicyText } from '../../../option/policy-file.ts';
import { remarksOn } from '../../../option/policy-finding.ts';
import { readAuthorKey, readPublicAuthorKey } from './author-key.ts';
import { type Known, type Newest, proveNewest, proveText } from './newest.ts';
import { listOf, type OperatorOptions, withOperator } from './operator.ts';
import { readPlanFile } from './plan-file.ts';
import { assertKnown, featuresOf } from './policy-feature.ts';
import { countDenied, type Replay, replay, replayText } from './replay.ts';
import { leftOutText, releaseText } from './rollout.ts';
import { describeWidening } from './widening.ts';

/** What `fleet publish` was asked for. */
export interface PublishOptions extends OperatorOptions {
  workload: string;
  key: string[];
  /** Files with public keys of further authors. */
  author: string[];
  /** How many known authors must have signed the release before; by default as many as sign now. */
  signedBy?: number;
  plan?: string;
  mode?: Mode;
  /** Seconds. */
  expires: number;
  onStale: 'keep' | 'monitor';
  /** Seconds of evidence that the policy is tried on. */
  since: number;
  maxWouldDeny: number;
  /** The largest share of what a host did that no other showed. */
  maxHostHoldout?: number;
  dryRun: boolean;
}

/** What is to be published, before a hub was asked. */
interface Draft {
  body: Buffer;
  policy: Policy;
  mode: Mode;
  plan: Plan;
  keys: KeyObject[];
  known: Known;
}

/** What the fleet has of the workload. */
interface Ground {
  newest: Newest | undefined;
  hosts: HostMessage[];
}

/** Checks, signs and sends a policy. */
export async function publish(file: string, options: PublishOptions): Promise<void> {
  const draft = readDraft(file, options);
  await withOperator(options, async (hub) => {
    const ground = await groundOf(hub, options.workload, draft.known);
    const features = featuresOf(draft.policy);
    assertKnown(features, ground.hosts);
    process.stderr.write(await comparison(hub, options.workload, ground, draft));
    await tryOnEvidence(hub, draft.policy, options);
    if (options.dryRun) {
      process.stderr.write('Nothing is published.\n');
      return;
    }
    const manifest = manifestFor(draft, ground, features, options);
    const signatures = draft.keys.map((key) => signManifest(manifest, key));
    const request = { manifest, signatures, body: draft.body };
    process.stdout.write(releaseText(await hub.call('Admin/Publish', request, { within: 30_000 })));
  });
}

function readDraft(file: string, options: PublishOptions): Draft {
  const { author, key, mode: asked, plan } = options;
  const text = readTrustedPolicyText(file);
  const parsed = parseWithPlaces(text, file, () => undefined);
  for (const remark of remarksOn(parsed)) process.stderr.write(`${renderProblem(remark, text)}\n`);
  const { policy } = parsed;
  const mode = asked ?? policy.mode;
  const keys = key.map(readAuthorKey);
  return {
    body: Buffer.from(text),
    policy,
    mode,
    plan: plan === undefined ? defaultPlan(mode) : readPlanFile(plan, mode),
    keys,
    known: {
      authors: [...keys, ...author.map(readPublicAuthorKey)],
      least: options.signedBy ?? new Set(keys.map(keyId)).size,
    },
  };
}

async function groundOf(hub: HubClient, workload: string, known: Known): Promise<Ground> {
  const workloads = await listOf(hub, 'Admin/Workloads', workload);
  if (!workloads.some(({ name }) => name === workload)) {
    throw new BouhekiError('fleet', `there is no workload ${workload}`, {
      remedy: 'make it with `bouheki fleet workload`',
    });
  }
  const [newest] = await listOf(hub, 'Admin/Releases', workload);
  const hosts = await listOf(hub, 'Admin/Hosts', workload);
  return { newest: newest && proveNewest(newest, workload, known), hosts };
}

/** What the policy allows that the workload's does not, and the other way round. */
async function comparison(
  hub: HubClient,
  workload: string,
  { hosts, newest }: Ground,
  { policy }: Draft,
): Promise<string> {
  const count = formatCount(hosts.filter(({ state }) => state === 'active').length, 'active host');
  const held = newest?.held;
  const without = describeLeftOut(hosts);
  if (!held) return `${visible(workload)}: ${count}, and no policy yet.\n${without}`;
  const text = proveText(await hub.call('Admin/Policy', { workload }), held);
  const head = `${visible(workload)}: ${count}. Against the policy ${held.digest.slice(0, 12)} that they hold:\n`;
  return without + head + describeWidening(text, policy);
}

/** Which hosts no stage will have. */
function describeLeftOut(hosts: readonly HostMessage[]): string {
  const names = leftOutNames(hosts);
  return names.length === 0 ? '' : `${visible(`left out: ${leftOutText(names)}`)}\n`;
}

/**
 * Throws BouhekiError `fleet` where more of what hosts showed would be denied than was allowed for, or a host that comes
 * would do too much that none has shown.
 */
async function tryOnEvidence(
  hub: HubClient,
  policy: Policy,
  { maxHostHoldout, maxWouldDeny, since, workload }: PublishOptions,
): Promise<void> {
  const until = Date.now() * 1000;
  const tried = await replay(hub, policy, { workload, since: until - since * 1e6, until });
  process.stderr.write(replayText(tried, formatDuration(since)));
  if (maxHostHoldout !== undefined) requireShown(tried, maxHostHoldout);
  const denied = countDenied(tried);
  if (denied <= maxWouldDeny) return;
  throw new BouhekiError('fleet', `the policy would deny ${denied} of what hosts of ${workload} did`, {
    remedy: 'allow it, or say with --max-would-deny how much may be denied',
  });
}

function requireShown({ holdOut }: Replay, most: number): void {
  const share = unseenByOthers(holdOut);
  if (share !== undefined && share <= most) return;
  const found = share === undefined ? 'nothing that two hosts showed' : formatPercent(share);
  throw new BouhekiError(
    'fleet',
    `the host hold-out is ${found}, and at most ${formatPercent(most)} is asked for`,
    {
      remedy: 'let the hosts learn for longer, or say with --max-host-holdout how much may be unknown',
    },
  );
}

function manifestFor(
  { body, mode, plan }: Draft,
  { newest }: Ground,
  features: string[],
  { expires, onStale, workload }: PublishOptions,
): Buffer {
  const now = Date.now();
  return manifestBytes({
    format: 1,
    workload,
    revision: (newest?.revision ?? 0) + 1,
    digest: createHash('sha256').update(body).digest('hex'),
    previous: newest?.held?.digest ?? null,
    previousMode: newest?.held?.mode ?? null,
    plan,
    features,
    issued: new Date(now).toISOString(),
    notAfter: new Date(now + expires * 1000).toISOString(),
    onStale,
    mode,
  });
}
