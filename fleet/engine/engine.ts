import type {
  AuditRow,
  Batch,
  EvidenceMessage,
  EvidenceQuery,
  HostState,
  Receipt,
  Signature,
} from '../wire/message.ts';
import type { Aggregate, EvidenceWindow } from './evidence/aggregate.ts';
import type { DenialRow } from './evidence/denial.ts';

/** What an agent says of itself. Times are milliseconds since the epoch unless said. */
interface Reported {
  agentVersion: string;
  features: string[];
  skew: number;
  revision: number;
  digest: Buffer;
  mode: string;
  stale: boolean;
  fallback: boolean;
  lost: number;
  unsentRows: number;
  /** Since the agent's start. */
  newDeniedKeys: number;
  breakerTrips: number;
}

export interface HostRow extends Reported {
  id: string;
  name: string;
  labels: Record<string, string>;
  /** That selects it now; undefined: none. */
  workload: string | undefined;
  state: HostState;
  clone: boolean;
  machineId: string;
  /** SHA-256 of the public key (SPKI DER), hexadecimal: pinned. */
  keyHash: string;
  /** The public key itself, SPKI DER. */
  publicKey: Buffer;
  /** Of the newest certificate that was issued, and of the one before: hexadecimal. */
  serial: string;
  previousSerial: string | undefined;
  certificateEnds: number;
  enrolled: number;
  lastSeen: number;
}

/** What a sign of life says, to be written for many hosts at once. */
export interface Sighting extends Reported {
  host: string;
  seen: number;
}

export interface NewHost {
  name: string;
  machineId: string;
  keyHash: string;
  publicKey: Buffer;
  agentVersion: string;
}

export interface Token {
  /** SHA-256 of the secret, hexadecimal. */
  hash: string;
  labels: Record<string, string>;
  uses: number;
  expires: number;
}

export interface Workload {
  name: string;
  select: Record<string, string>;
  order: number;
}

export type ReleaseState =
  | 'running'
  | 'paused'
  | 'halted'
  | 'rolling-back'
  | 'rolled-back'
  | 'done'
  | 'superseded';

export interface ReleaseRow {
  id: number;
  workload: string;
  revision: number;
  /** SHA-256 of the policy's text. */
  digest: Buffer;
  /** Of the policy before; undefined: none. */
  previous: Buffer | undefined;
  /** The exact bytes that were signed. */
  manifest: Buffer;
  signatures: Signature[];
  /** What a roll-out remembers between two looks: see release/. JSON. */
  plan: unknown;
  state: ReleaseState;
  stage: number;
  stageSince: number;
  reason: string;
  since: number;
}

export type PlacementState =
  | 'waiting'
  | 'offered'
  | 'applied'
  | 'confirmed'
  | 'refused'
  | 'fallback'
  | 'silent'
  | 'pending';

/** One host in a release. */
export interface PlacementRow {
  release: number;
  host: string;
  /** From which on it is offered the release; -1: not yet. */
  stage: number;
  /** Whether it is to hold the release, or what was before. */
  side: 'new' | 'previous';
  mode: 'monitor' | 'block';
  state: PlacementState;
  error: string;
  since: number;
}

/**
 * The only state of a fleet. Every method is one transaction. Throws BouhekiError `fleet-away` where the engine cannot be
 * reached or is read only; what was asked may then be done or not, and can be asked again.
 */
export interface Engine {
  /** Which timeline it is on, and its system's identifier: another one means that acknowledged rows may be lost. */
  timeline(): Promise<string>;
  close(): Promise<void>;

  addToken(token: Token): Promise<void>;
  /**
   * Makes a host for this key, or finds the one that has it, and reserves a use of the token for it. The key that a use is
   * reserved for gets the same id again until it has used its certificate, and costs no other use. Undefined: no such token,
   * or expired, or without a use left. One that was revoked is returned as it is.
   */
  enrol(tokenHash: string, host: NewHost, now: number): Promise<HostRow | undefined>;
  /** Notes an issued certificate. */
  issued(host: string, serial: string, ends: number): Promise<void>;
  /** The host has used its certificate: now the token's use is spent. Does nothing the second time. */
  used(host: string): Promise<void>;

  host(id: string): Promise<HostRow | undefined>;
  hosts(workload?: string): Promise<HostRow[]>;
  /** Those of this name. */
  hostsNamed(name: string): Promise<HostRow[]>;
  setHostState(id: string, state: HostState): Promise<void>;
  setClone(id: string, clone: boolean): Promise<void>;
  sighted(sightings: readonly Sighting[]): Promise<void>;

  workloads(): Promise<Workload[]>;
  setWorkload(workload: Workload): Promise<void>;

  /**
   * Merges what hosts saw: count by max, first by min, last by max, hours by OR. Rows later than `now` and the allowed
   * skew, older than what is kept, malformed, or beyond the keys of a host and week are refused.
   */
  merge(batches: readonly { host: string; batch: Batch }[], now: number): Promise<Receipt[]>;
  /** k of n: see docs/fleet.md. Rows come in parts of some thousands. */
  aggregate(workload: string, window: EvidenceWindow, now: number): Promise<Aggregate>;
  /** What each host showed in a week, in parts of some thousands. */
  evidence(query: EvidenceQuery): AsyncIterable<readonly EvidenceMessage[]>;
  /** Of a release, for its gates. */
  denials(release: number): Promise<DenialRow[]>;

  /** Stores text, release and a placement for each host of the workload, and ends the one that runs. Undefined: the revision is not higher. */
  publish(
    release: Pick<
      ReleaseRow,
      'workload' | 'revision' | 'digest' | 'previous' | 'manifest' | 'signatures' | 'plan'
    >,
    body: Buffer,
    now: number,
  ): Promise<ReleaseRow | undefined>;
  /** The newest of each workload, or of one. */
  releases(workload?: string): Promise<ReleaseRow[]>;
  body(digest: Buffer): Promise<Buffer | undefined>;
  placements(release: number): Promise<PlacementRow[]>;
  placement(release: number, host: string): Promise<PlacementRow | undefined>;
  /**
   * Only where the release is still in the state and stage that were read, since the same moment: another leader may have
   * acted.
   */
  advance(
    release: ReleaseRow,
    change: Partial<Pick<ReleaseRow, 'state' | 'stage' | 'stageSince' | 'reason' | 'plan'>>,
    placements: readonly PlacementRow[],
  ): Promise<boolean>;
  /** What a host has answered: only where it is still to hold the same, since a leader may have acted meanwhile. */
  setPlacement(placement: PlacementRow): Promise<void>;

  audit(who: string, what: string, now: number): Promise<void>;
  audited(since: number, most: number): Promise<AuditRow[]>;

  /** Calls back when a release or a workload has changed, here or at another hub. */
  onPublished(changed: () => void): Promise<void>;
  /** Whether this connection leads: tried anew at each call. */
  lead(): Promise<boolean>;
  /** Makes partitions for this week and the next, and drops weeks that are older. */
  keepWeeks(weeks: number, now: number): Promise<void>;
}
