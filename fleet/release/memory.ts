import type { ReleaseRow } from '../engine/engine.ts';
import { type Manifest, readManifest } from '../wire/manifest.ts';
import type { Plan } from './plan.ts';

/** What a roll-out remembers between two looks, beside its state and its placements. Stored as JSON. */
export interface Memory {
  plan: Plan;
  /** The last stage whose hosts were chosen; -1: none. */
  entered: number;
  /** Trips of the breaker that hosts reported when they were placed, where there were any, by host. */
  trips: Record<string, number>;
}

/** Of a release that begins. */
export function firstMemory(plan: Plan): Memory {
  return { plan, entered: -1, trips: {} };
}

export function memoryOf({ plan }: Pick<ReleaseRow, 'plan'>): Memory {
  return plan as Memory;
}

/** What was read before: a hub asks it for each host of a release. */
const READ = new WeakMap<Buffer, Manifest>();

/** Whether this version knows the form of a release's manifest: a newer hub may have admitted it. */
export function isReadable({ manifest }: Pick<ReleaseRow, 'manifest'>): boolean {
  return READ.has(manifest) || readManifest(manifest) !== undefined;
}

/** Of a release that a hub has admitted, and so has read before. */
export function manifestOf({ manifest }: Pick<ReleaseRow, 'manifest'>): Manifest {
  const read = READ.get(manifest) ?? readManifest(manifest);
  if (!read) throw new Error('the manifest of an admitted release cannot be read');
  READ.set(manifest, read);
  return read;
}
