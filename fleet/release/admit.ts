import { createHash } from 'node:crypto';
import type { HostRow, PlacementRow, ReleaseRow } from '../engine/engine.ts';
import { isLeftOut } from '../wire/feature.ts';
import { readManifest } from '../wire/manifest.ts';
import type { PublishRequest, ReleaseMessage } from '../wire/message.ts';
import { countAuthors } from '../wire/signature.ts';
import { firstMemory, manifestOf, memoryOf } from './memory.ts';
import { readPlan } from './plan.ts';
import { provenPolicy } from './wanted.ts';

/** What a hub knows when an operator publishes. */
export interface Surroundings {
  authorKeys: readonly Buffer[];
  authorThreshold: number;
  /** The newest release of the workload. */
  newest: ReleaseRow | undefined;
  policyBytes: number;
  /** Milliseconds since the epoch. */
  now: number;
}

type Admitted = Pick<
  ReleaseRow,
  'workload' | 'revision' | 'digest' | 'previous' | 'manifest' | 'signatures' | 'plan'
>;

/**
 * A release as the engine takes it. A hub refuses what every agent would refuse, so that no roll-out begins with it; what
 * the agents check stays the only protection. Returns what is wrong as a sentence.
 */
export function admit(
  { manifest: bytes, signatures, body }: PublishRequest,
  { authorKeys, authorThreshold, newest, policyBytes, now }: Surroundings,
): Admitted | { fault: string } {
  const authors = countAuthors(bytes, signatures, authorKeys);
  if (authors < authorThreshold) {
    return { fault: `${authors} of the ${authorThreshold} authors needed have signed the manifest` };
  }
  const manifest = readManifest(bytes);
  if (!manifest) return { fault: 'the manifest has a form that this hub does not know' };
  const { plan, faults } = readPlan(manifest.plan, manifest.mode);
  if (faults.length > 0) return { fault: `the plan is not valid: ${faults[0]!.message}` };
  const { workload, revision } = manifest;
  if (newest && revision <= newest.revision) {
    return { fault: `the newest release of ${workload} is ${newest.revision}, so ${revision} is no new one` };
  }
  const held =
    newest && provenPolicy({ state: newest.state, manifest: manifestOf(newest) }, memoryOf(newest).plan);
  if ((held?.digest ?? null) !== manifest.previous) {
    return { fault: `${workload} holds another policy than the one that the manifest goes back to` };
  }
  if (body.length > policyBytes) return { fault: `the policy is larger than ${policyBytes} bytes` };
  const digest = createHash('sha256').update(body).digest();
  if (digest.toString('hex') !== manifest.digest) {
    return { fault: 'the policy is not the text that was signed' };
  }
  if (Date.parse(manifest.notAfter) <= now)
    return { fault: `the manifest was valid until ${manifest.notAfter}` };
  return {
    workload,
    revision,
    digest,
    previous: manifest.previous === null ? undefined : Buffer.from(manifest.previous, 'hex'),
    manifest: bytes,
    signatures,
    plan: firstMemory(plan),
  };
}

/** Names of hosts that are left out, in one message: of many hosts the number says more. */
const MOST_NAMES = 100;

/** A release as operators see it, with how many of its hosts are in which state. */
export function releaseMessage(
  release: ReleaseRow,
  placements: readonly Pick<PlacementRow, 'host' | 'state' | 'stage'>[],
  hosts: readonly Pick<HostRow, 'id' | 'name' | 'state' | 'features' | 'lastSeen'>[],
): ReleaseMessage {
  const { plan } = memoryOf(release);
  const leftOut = new Map(
    hosts.filter((host) => host.state !== 'revoked' && isLeftOut(host)).map(({ id, name }) => [id, name]),
  );
  const states = new Map<string, number>(leftOut.size > 0 ? [['left-out', leftOut.size]] : []);
  for (const { host, state, stage } of placements) {
    if (leftOut.has(host)) continue;
    const shown = stage < 0 ? 'unplaced' : state;
    states.set(shown, (states.get(shown) ?? 0) + 1);
  }
  return {
    workload: release.workload,
    revision: release.revision,
    digest: release.digest,
    previous: release.previous ?? Buffer.alloc(0),
    state: release.state,
    stage: release.stage,
    stageName: plan.stages[release.stage]?.name ?? '',
    reason: release.reason,
    stages: Array.from(states, ([state, hosts]) => ({ state, hosts })),
    since: release.since,
    plan: JSON.stringify(plan),
    manifest: release.manifest,
    signatures: release.signatures,
    leftOut: [...leftOut.values()].toSorted().slice(0, MOST_NAMES),
  };
}
