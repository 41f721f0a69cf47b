/**
 * The messages of fleet.proto as plain data, as `service.ts` reads and writes them: field names in camel case, integers as
 * numbers, bytes as buffers, absent messages as null. Times are milliseconds since the epoch unless said.
 */

/** A message that a field may lack. */
type Maybe<Message> = Message | null;

export interface JoinRequest {
  token: string;
  /** PKCS #10, DER. */
  csr: Buffer;
  name: string;
  /** SHA-256 of the machine id, hexadecimal. */
  machineId: string;
  agentVersion: string;
}

export interface RenewRequest {
  hostId: string;
  csr: Buffer;
  time: number;
  /** Of `renew\n`, the host id, `\n`, the time, `\n` and the hexadecimal SHA-256 of the CSR, by the pinned key. */
  signature: Buffer;
}

export interface Identity {
  certificate: Buffer;
  trustBundle: Buffer[];
  authorKeys: Buffer[];
  authorThreshold: number;
  hubKey: Buffer;
  hostId: string;
  limits: Maybe<Limits>;
}

export interface Limits {
  batchRows: number;
  batchBytes: number;
  policyBytes: number;
  reportSeconds: number;
}

/** What an agent says of itself: its hello, an answer to an offer, or a sign of life. */
export interface AgentState {
  /** Random at each start: two at once with one certificate are clones. */
  instance: string;
  agentVersion: string;
  features: string[];
  inForce: Maybe<InForce>;
  /** Of the offer on this stream that is answered; empty: no answer. */
  nonce: string;
  /** Set: the offer is refused. */
  refusal: Maybe<Refusal>;
  counters: Maybe<Counters>;
  clock: number;
  trustBundleHashes: string[];
}

export interface InForce {
  workload: string;
  revision: number;
  digest: Buffer;
  mode: 'monitor' | 'block';
  confirmed: boolean;
  fallback: boolean;
  stale: boolean;
}

/** Why an offer is not taken. */
const REFUSALS = [
  'signature',
  'revision',
  'workload',
  'host',
  'limits',
  'policy',
  'feature',
  'cut-off',
  'expired',
  'storage',
  'apply',
] as const;
export type RefusalCode = (typeof REFUSALS)[number];

export interface Refusal {
  code: RefusalCode;
  message: string;
  line: number;
  column: number;
}

/** Since the agent's start. */
export interface Counters {
  events: number;
  lost: number;
  denied: number;
  wouldDeny: number;
  newDeniedKeys: number;
  breakerTrips: number;
  unsentRows: number;
}

export interface HubMessage {
  /** Which of the following it is. */
  it: 'offer' | 'limits' | 'pace' | 'trust' | 'goodbye' | 'resend' | 'welcome';
  offer?: Offer;
  limits?: Limits;
  pace?: Pace;
  trust?: { trustBundle: Buffer[] };
  goodbye?: { reconnectAfter: number; reason: string };
  resend?: { since: number; spreadSeconds: number };
  welcome?: Welcome;
  clock: number;
}

export interface Welcome {
  hostId: string;
  workload: string;
  /** Of the engine: another one than before means that acknowledged rows may be lost. */
  timeline: string;
  /** The agent keeps id, name and labels by `writeHostFile` (self/host-file.ts): rules with `host` go by them. */
  name: string;
  labels: Record<string, string>;
}

export interface Signature {
  /** SHA-256 of the public key (SPKI DER), hexadecimal. */
  key: string;
  /** ed25519. */
  signature: Buffer;
}

/** A policy for a host: what authors signed, what a hub signed, and the text. */
export interface Offer {
  nonce: string;
  /** The exact bytes that were signed: see manifest.ts. */
  manifest: Buffer;
  manifestSignatures: Signature[];
  placement: Buffer;
  placementSignature: Buffer;
  /** Empty where the agent said that it has the digest. */
  body: Buffer;
}

export interface Pace {
  reportSeconds: number;
  spreadSeconds: number;
}

export type WireVerdict = 'ALLOW' | 'DENY' | 'WOULD_DENY';

/** Who asked for a name: the process itself, its container or cgroup, or anybody on a host that has no other for it. */
export type WireKnownBy = 'NO_NAME' | 'SELF' | 'CGROUP' | 'HOST';

/** The name that a rule could allow events by. */
interface WireName {
  /** Empty: none. */
  name: string;
  knownBy: WireKnownBy;
}

/** What one host saw of one subject and destination, by one name, in one week so far. */
export interface Row extends WireName {
  /** Place in the batch's subjects. */
  subject: number;
  /** 4 or 16 bytes in network order; empty for a socket that was opened. */
  address: Buffer;
  port: number;
  protocol: number;
  /** Kind of a socket that was opened; else empty. */
  socket: string;
  verdict: WireVerdict;
  /** Of the policy that judged it; 0 for what was allowed. */
  revision: number;
  rule: string;
  count: number;
  /** Microseconds since the epoch. */
  first: number;
  last: number;
  /** 21 bytes: bit h of the week is bit h % 8 of byte h / 8. */
  hours: Buffer;
  /** Weeks since Monday 1970-01-05, UTC. */
  week: number;
  names: string[];
  /** Seconds since the end of the name's TTL, the most of the events; negative before it. */
  age: number;
}

/** What a host could have seen in a week. */
export interface Window {
  week: number;
  /** As `Row.hours`. */
  recordedHours: Buffer;
  lost: number;
  backend: string;
}

export interface Batch {
  /** Canonical JSON of each: see subject-document.ts. */
  subjects: Buffer[];
  rows: Row[];
  windows: Window[];
  clock: number;
}

export interface Receipt {
  rows: number;
  refused: { row: number; reason: 'future' | 'old' | 'malformed' | 'keys' | 'host' }[];
  pace: Maybe<Pace>;
}

export interface PublishRequest {
  manifest: Buffer;
  signatures: Signature[];
  body: Buffer;
}

export interface RolloutCommand {
  workload: string;
  action: 'pause' | 'resume' | 'abort' | 'status';
  reason: string;
}

/** Empty: all. */
export interface WorkloadQuery {
  workload: string;
}

export interface ReleaseMessage {
  workload: string;
  revision: number;
  digest: Buffer;
  /** Digest of the policy before; empty: none. */
  previous: Buffer;
  state: string;
  stage: number;
  stageName: string;
  reason: string;
  stages: { state: string; hosts: number }[];
  since: number;
  /** JSON. */
  plan: string;
  /** The exact bytes that were signed. */
  manifest: Buffer;
  signatures: Signature[];
  /** Names of hosts whose agent takes no policies, the first of them. */
  leftOut: string[];
}

export interface HostMessage {
  id: string;
  name: string;
  labels: Record<string, string>;
  workload: string;
  state: HostState;
  clone: boolean;
  enrolled: number;
  lastSeen: number;
  agentVersion: string;
  skew: number;
  revision: number;
  digest: Buffer;
  mode: string;
  stale: boolean;
  fallback: boolean;
  placement: string;
  refusal: string;
  lost: number;
  unsentRows: number;
  certificateEnds: number;
  /** That its agent knows: see `Manifest`. */
  features: string[];
}

export type HostState = 'active' | 'quarantined' | 'revoked';

export interface HostCommand {
  /** Id, or a name that one host has. */
  host: string;
  action: 'quarantine' | 'restore' | 'revoke';
  reason: string;
}

export interface WorkloadMessage {
  name: string;
  select: Record<string, string>;
  /** The first that selects a host has it. */
  order: number;
  hosts: number;
  /** In force; 0: none. */
  revision: number;
}

export interface AggregateRequest {
  workload: string;
  /** Microseconds since the epoch. */
  since: number;
  until: number;
  /** For a host to count. */
  leastRecordedHours: number;
}

export interface AggregateMessage {
  it: 'hosts' | 'row';
  hosts?: AggregateHosts;
  row?: AggregateRow;
}

export interface AggregateHosts {
  counted: { id: string; name: string; labels: Record<string, string>; recordedHours: number }[];
  uncounted: { id: string; name: string; reason: UncountedReason }[];
}

export type UncountedReason = 'quarantined' | 'revoked' | 'clone' | 'hours' | 'losses';

/** What the counted hosts of a workload saw of one subject and destination, by one name. */
export interface AggregateRow extends WireName {
  subject: Buffer;
  address: Buffer;
  port: number;
  protocol: number;
  socket: string;
  verdict: WireVerdict;
  count: number;
  first: number;
  last: number;
  /** Distinct clock hours on any of the hosts. */
  hours: number;
  /** Bit i % 8 of byte i / 8: place i among the counted hosts. */
  hosts: Buffer;
  names: string[];
  /** How many of the counted hosts knew it by each of the names. */
  nameHosts: number[];
  /** As `Row.age`, of each of `hosts` in the order of their places; empty without a name. */
  ages: number[];
}

export interface EvidenceQuery {
  /** Empty: all hosts. */
  workload: string;
  week: number;
}

export interface EvidenceMessage {
  it: 'host' | 'subject' | 'row';
  host?: EvidenceHost;
  /** Canonical JSON of a subject. */
  subject?: Buffer;
  row?: HostEvidence;
}

interface EvidenceHost {
  id: string;
  name: string;
}

/** What one host showed of one subject and destination, by one name, in a week. */
export interface HostEvidence extends WireName {
  /** Places among the hosts and the subjects that came before. */
  host: number;
  subject: number;
  address: Buffer;
  port: number;
  protocol: number;
  socket: string;
  verdict: WireVerdict;
  count: number;
  /** Microseconds since the epoch. */
  first: number;
  last: number;
  names: string[];
  /** As `Row.age`. */
  age: number;
}

export interface PolicyText {
  workload: string;
  revision: number;
  digest: Buffer;
  body: Buffer;
}

export interface AuditQuery {
  since: number;
  most: number;
}

export interface AuditRow {
  time: number;
  who: string;
  what: string;
}
