import type { KeyObject } from 'node:crypto';
import { canonicalJson, parseCanonical } from './canonical.ts';
import { signFor } from './signature.ts';

export type Mode = 'monitor' | 'block';

/** What authors sign. The hub can change nothing of it. */
export interface Manifest {
  format: 1;
  workload: string;
  /** Only grows within a workload; 1 to LAST_REVISION. */
  revision: number;
  /** SHA-256 of the policy's text, hexadecimal. */
  digest: string;
  /** Of the policy that a hub may go back to; null: none. */
  previous: string | null;
  /** The highest mode that a placement may choose for the policy before; null where there is none. */
  previousMode: Mode | null;
  /** How it goes out: see release/plan.ts. */
  plan: unknown;
  /** What an agent must know to hold the policy. */
  features: string[];
  /** ISO 8601, UTC. */
  issued: string;
  /** After this no host takes it newly, and those that hold it are stale. */
  notAfter: string;
  /** What a stale host does: keep its mode, or only report. */
  onStale: 'keep' | 'monitor';
  /** The highest mode that a placement may choose. */
  mode: Mode;
}

/** What a hub signs: what one host is to hold now, within the limits of the manifest. */
export interface Placement {
  format: 1;
  workload: string;
  revision: number;
  /** Id of the host. */
  host: string;
  /** The manifest's digest, or its `previous`. */
  digest: string;
  mode: Mode;
  /** Place in the plan. */
  stage: number;
  /** ISO 8601, UTC. */
  time: string;
}

/** What a column of the engine holds; at one release a second, 68 years. */
const LAST_REVISION = 2 ** 31 - 1;

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string' && value.length > 0 && value.length <= 256;
const isDigest: Check = (value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
const isMode: Check = (value) => value === 'monitor' || value === 'block';
const isRevision: Check = (value) =>
  Number.isInteger(value) && (value as number) >= 1 && (value as number) <= LAST_REVISION;
const isTime: Check = (value) =>
  typeof value === 'string' && /^\d{4}-.*Z$/.test(value) && !Number.isNaN(Date.parse(value));

const MANIFEST: Record<keyof Manifest, Check> = {
  format: (value) => value === 1,
  workload: isText,
  revision: isRevision,
  digest: isDigest,
  previous: (value) => value === null || isDigest(value),
  previousMode: (value) => value === null || isMode(value),
  plan: () => true,
  features: (value) => Array.isArray(value) && value.every(isText),
  issued: isTime,
  notAfter: isTime,
  onStale: (value) => value === 'keep' || value === 'monitor',
  mode: isMode,
};

const PLACEMENT: Record<keyof Placement, Check> = {
  format: (value) => value === 1,
  workload: isText,
  revision: isRevision,
  host: isText,
  digest: isDigest,
  mode: isMode,
  stage: (value) => Number.isSafeInteger(value) && (value as number) >= -1,
  time: isTime,
};

/** Exactly the keys of the table, each with a value that it accepts. */
function hasShape(value: unknown, shape: Record<string, Check>): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const fields = new Map(Object.entries(value));
  return (
    fields.size === Object.keys(shape).length &&
    Object.entries(shape).every(([key, check]) => fields.has(key) && check(fields.get(key)))
  );
}

/** The bytes that authors sign. */
export function manifestBytes(manifest: Manifest): Buffer {
  return Buffer.from(canonicalJson(manifest));
}

/** Undefined for bytes that are no manifest of this format. Never throws. */
export function readManifest(bytes: Buffer): Manifest | undefined {
  const value = parseCanonical(bytes);
  if (!hasShape(value, MANIFEST)) return undefined;
  const manifest = value as Manifest;
  return (manifest.previous === null) === (manifest.previousMode === null) ? manifest : undefined;
}

/** Undefined for bytes that are no placement of this format. Never throws. */
export function readPlacement(bytes: Buffer): Placement | undefined {
  const value = parseCanonical(bytes);
  return hasShape(value, PLACEMENT) ? (value as Placement) : undefined;
}

/** The parts of an offer that a hub signs with its own key. */
export function signPlacement(
  placement: Placement,
  hubKey: KeyObject,
): { placement: Buffer; placementSignature: Buffer } {
  const bytes = Buffer.from(canonicalJson(placement));
  return { placement: bytes, placementSignature: signFor('placement', bytes, hubKey) };
}
