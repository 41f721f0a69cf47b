import type { Discovery } from '../../../generator/discovery.ts';
import type { Gap } from '../../../profiler/read/stretch.ts';
import type { Extent, Loss, RecordingSummary } from '../../../profiler/read/read.ts';

/** What became of connections: `noted` ones would have been denied in block mode. */
export type Verdict = 'allow' | 'deny' | 'noted';

/** Connections of one subject to one destination that got the same verdict. Times in microseconds since the epoch. */
export interface PageFlow {
  subject: string;
  destination: string;
  /** What the destination belongs to: a DNS name, a prefix of the policy, or the address itself. */
  group: string;
  verdict: Verdict;
  count: number;
  first: number;
  last: number;
}

/** Connections by time, in parts of equal length. */
export interface Timeline {
  /** Microseconds since the epoch, and of each part. */
  start: number;
  width: number;
  counts: Readonly<Record<Verdict, readonly number[]>>;
}

/** A rule of the policy beside what was recorded of it. */
export interface PageRule {
  name: string;
  action: 'allow' | 'deny';
  /** Its text in the policy's file. */
  text: string;
  /** Events that it decided, by the policy as it reads now. */
  events: number;
  subjects: number;
  /** Distinct addresses that it was used for, and that it allows; undefined where it names no addresses. */
  seen: number;
  allowed: bigint | undefined;
  first?: number;
  last?: number;
  /** What waits for a review, and why. */
  marks: readonly { destination: string; reasons: readonly string[] }[];
}

/** A finding of `drift`. */
export interface PageFinding {
  id: string;
  kind: string;
  severity: string;
  subject: string;
  destination: string;
  count: number;
  evidence: readonly string[];
  suggestion: string;
}

export interface PagePolicy {
  file: string;
  mode: 'monitor' | 'block';
  /** How many entries give some subjects another mode. */
  modes: number;
  rules: readonly PageRule[];
  /** The worst first. */
  findings: readonly PageFinding[];
}

/** All that the page shows. */
export interface PageData {
  db: string;
  version: string;
  /** Microseconds since the epoch. */
  madeAt: number;
  extent: Extent;
  recordings: readonly RecordingSummary[];
  gaps: readonly Gap[];
  losses: readonly Loss[];
  readiness: Discovery;
  /** Those of most connections first. */
  flows: readonly PageFlow[];
  timeline: Timeline | undefined;
  policy: PagePolicy | undefined;
}
