import type { Policy } from '../../../policy/meaning/policy.ts';
import type { Allowed, Comparison } from '../drift.ts';
import { entryFindings } from './entry-finding.ts';
import type { Finding } from './finding.ts';
import type { WatchedTime } from './silence.ts';
import { type OwnerOf, Successions } from './succession.ts';
import { surges } from './surge.ts';
import { unusedFindings } from './unused.ts';

/** What findings are made of beside the policy. */
export interface FindingContext {
  /** The window that is asked about. */
  now: Comparison;
  /** What was allowed before it, from the beginning of the record, and when it begins. Absent where it is all. */
  past?: { allowed: readonly Allowed[]; since: number };
  watched: WatchedTime;
  /** Microseconds of silence after which something allowed is called unused. */
  unusedAfter: number;
  /** When it is asked, microseconds since the epoch. Absent: before any rule ends. */
  at?: number;
  ownerOf?: OwnerOf;
}

/** Every finding, in no particular order. */
export function allFindings(
  policy: Policy,
  { at = 0, now, ownerOf, past, unusedAfter, watched }: FindingContext,
): Finding[] {
  const allowed = [...(past?.allowed ?? []), ...now.allowed];
  const successions = new Successions(allowed, ownerOf);
  const findings = entryFindings(policy, now.cases, (each) => successions.refine(each));
  const { replaced } = successions;
  return [
    ...findings,
    ...(past === undefined ? [] : surges(past.allowed, now.allowed, { since: past.since, watched })),
    ...unusedFindings(policy, allowed, { watched, after: unusedAfter, replaced, at }),
  ];
}
