import { createHash, type KeyObject } from 'node:crypto';
import { visible } from '../../../../error/visible.ts';
import { BouhekiError } from '../../../../error/error.ts';
import { defaultPlan, type Plan } from '../../../../fleet/release/plan.ts';
import { type Held, provenPolicy } from '../../../../fleet/release/wanted.ts';
import type { HubClient } from '../../../../fleet/wire/client.ts';
import { manifestBytes, type Mode, readManifest } from '../../../../fleet/wire/manifest.ts';
import type { HostMessage, ReleaseMessage } from '../../../../fleet/wire/message.ts';
import { signManifest } from '../../../../fleet/wire/signature.ts';
import { formatDuration } from '../../../../format/duration.ts';
import { formatCount } from '../../../../format/number.ts';
import { renderProblem } from '../../../../policy/file/problem.ts';
import type { Policy } from '../../../../policy/meaning/policy.ts';
import { parseWithPlaces, readTrustedPolicyText } from '../../../option/policy-file.ts';
import { remarksOn } from '../../../option/policy-finding.ts';
import { readAuthorKey } from './author-key.ts';
import { listOf, type OperatorOptions, withOperator } from './operator.ts';
import { readPlanFile } from './plan-file.ts';
import { assertKnown, featuresOf } from './policy-feature.ts';
import { countDenied, replay, replayText } from './replay.ts';
import { releaseText } from './rollout.ts';
import { describeWidening } from './widening.ts';

/** What `fleet publish` was asked for. */
export interface PublishOptions extends OperatorOptions {
  workload: string;
  key: string[];
  plan?: string;
  mode?: Mode;
  /** Seconds. */
  expires: number;
  onStale: 'keep' | 'monitor';
  /** Seconds of evidence that the policy is tried on. */
  since: number;
  maxWouldDeny: number;
  dryRun: boolean;
}

/** What is to be published, before a hub was asked. */
interface Draft {
  body: Buffer;
  policy: Policy;
  mode: Mode;
  plan: Plan;
  keys: KeyObject[];
}

/** What the fleet has of the workload. */
interface Ground {
  newest: ReleaseMessage | undefined;
  /** What its next release goes back to. */
  held: Held | undefined;
  hosts: HostMessage[];
}

/** Checks, signs and sends a policy. */
export async function publish(file: string, options: PublishOptions): Promise<void> {
  const draft = readDraft(file, options);
  await withOperator(options, async (hub) => {
    const ground = await groundOf(hub, options.workload);
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

function readDraft(file: string, { key, mode: asked, plan }: PublishOptions): Draft {
  const text = readTrustedPolicyText(file);
  const parsed = parseWithPlaces(text, file, () => undefined);
  for (const remark of remarksOn(parsed)) process.stderr.write(`${renderProblem(remark, text)}\n`);
  const { policy } = parsed;
  const mode = asked ?? policy.mode;
  return {
    body: Buffer.from(text),
    policy,
    mode,
    plan: plan === undefined ? defaultPlan(mode) : readPlanFile(plan, mode),
    keys: key.map(readAuthorKey),
  };
}

async function groundOf(hub: HubClient, workload: string): Promise<Ground> {
  const workloads = await listOf(hub, 'Admin/Workloads', workload);
  if (!workloads.some(({ name }) => name === workload)) {
    throw new BouhekiError('fleet', `there is no workload ${workload}`, {
      remedy: 'make it with `bouheki fleet workload`',
    });
  }
  const [newest] = await listOf(hub, 'Admin/Releases', workload);
  const hosts = await listOf(hub, 'Admin/Hosts', workload);
  return { newest, held: newest && heldUnder(newest), hosts };
}

function heldUnder({ manifest: bytes, plan, state }: ReleaseMessage): Held | undefined {
  const manifest = readManifest(bytes);
  if (manifest) return provenPolicy({ manifest, state }, JSON.parse(plan) as Plan);
  throw new BouhekiError('fleet', 'the newest release has a form that this version does not know', {
    remedy: 'install the version of bouheki that the hub has',
  });
}

/** What the policy allows that the workload's does not, and the other way round. */
async function comparison(
  hub: HubClient,
  workload: string,
  { held, hosts }: Ground,
  { policy }: Draft,
): Promise<string> {
  const count = formatCount(hosts.filter(({ state }) => state === 'active').length, 'active host');
  if (!held) return `${visible(workload)}: ${count}, and no policy yet.\n`;
  const { body, digest } = await hub.call('Admin/Policy', { workload });
  const head = `${visible(workload)}: ${count}. Against the policy ${held.digest.slice(0, 12)} that they hold:\n`;
  if (digest.toString('hex') !== held.digest) return `${head}  it could not be read from the hub\n`;
  return head + describeWidening(body.toString(), policy);
}

/** Throws BouhekiError `fleet` where more of what hosts showed would be denied than was allowed for. */
async function tryOnEvidence(
  hub: HubClient,
  policy: Policy,
  { maxWouldDeny, since, workload }: PublishOptions,
): Promise<void> {
  const until = Date.now() * 1000;
  const tried = await replay(hub, policy, { workload, since: until - since * 1e6, until });
  process.stderr.write(replayText(tried, formatDuration(since)));
  const denied = countDenied(tried);
  if (denied <= maxWouldDeny) return;
  throw new BouhekiError('fleet', `the policy would deny ${denied} of what hosts of ${workload} did`, {
    remedy: 'allow it, or say with --max-would-deny how much may be denied',
  });
}

function manifestFor(
  { body, mode, plan }: Draft,
  { held, newest }: Ground,
  features: string[],
  { expires, onStale, workload }: PublishOptions,
): Buffer {
  const now = Date.now();
  return manifestBytes({
    format: 1,
    workload,
    revision: (newest?.revision ?? 0) + 1,
    digest: createHash('sha256').update(body).digest('hex'),
    previous: held?.digest ?? null,
    previousMode: held?.mode ?? null,
    plan,
    features,
    issued: new Date(now).toISOString(),
    notAfter: new Date(now + expires * 1000).toISOString(),
    onStale,
    mode,
  });
}
