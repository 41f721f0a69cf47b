import type { PlacementRow, ReleaseRow } from '../engine/engine.ts';
import type { Manifest, Mode } from '../wire/manifest.ts';
import { manifestOf } from './memory.ts';
import type { Plan } from './plan.ts';

/** A policy as a host holds it. */
export interface Held {
  /** Of the policy's text, hexadecimal. */
  digest: string;
  mode: Mode;
}

/** What the hosts of a workload hold that no stage has reached yet, or that went back; undefined: nothing. */
export function heldBefore({ previous, previousMode }: Manifest): Held | undefined {
  return previous === null || previousMode === null ? undefined : { digest: previous, mode: previousMode };
}

/**
 * What a host is to hold now under the newest release of its workload; undefined: it keeps what it has. A host that no
 * stage has reached keeps the policy before, or gets it where it has another one: it was away, or is new.
 */
export function wanted(release: ReleaseRow, placement: PlacementRow | undefined): Held | undefined {
  if (release.state === 'superseded') return undefined;
  const manifest = manifestOf(release);
  if (!placement || placement.stage < 0) return heldBefore(manifest);
  if (placement.side === 'previous') return heldBefore(manifest);
  return { digest: manifest.digest, mode: placement.mode };
}

/**
 * What the workload is known to hold well: the release that is done, or the policy before one that is not. It is what the
 * next release goes back to. Undefined: nothing.
 */
export function provenPolicy(
  { manifest, state }: { manifest: Manifest; state: string },
  { stages }: Pick<Plan, 'stages'>,
): Held | undefined {
  if (state !== 'done') return heldBefore(manifest);
  return { digest: manifest.digest, mode: stages.some(({ mode }) => mode === 'block') ? 'block' : 'monitor' };
}
