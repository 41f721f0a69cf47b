import { bySubject, type DriftEntry, endpoint, eventsOf, ruleText } from '../../generator/drift/entry.ts';
import { isJudged } from '../../policy/meaning/evaluate.ts';
import { namesHosts } from '../../policy/meaning/known-name.ts';
import { simulate } from '../../generator/drift/simulate.ts';
import type { Policy } from '../../policy/meaning/policy.ts';
import { openReader, type Reader } from '../../profiler/read/read.ts';
import { accountsFor } from '../option/account-table.ts';

/** Subjects that are told of, and destinations of each. */
const MOST_SUBJECTS = 20;
const MOST_EXAMPLES = 3;

/** What is to be replayed. */
export interface ReplayOrder {
  db: string;
  /** With what its links lead to. */
  policy: Policy;
  /** Of the policy's text. */
  hash: string;
  /** Microseconds since the epoch; absent: where the same policy began to block last, a week ago at the most. */
  since?: number;
  /** The path of the cgroup that is watched alone. */
  cgroup?: string;
}

/** Something that went through, and would not any more. */
interface ReplayExample {
  destination: string;
  names?: string[];
  address?: string;
  port?: number;
  protocol?: string;
  count: number;
  last: number;
  rule: string;
}

/** What a subject would lose. */
interface ReplaySubject {
  subject: string;
  count: number;
  /** Destinations, and kinds of sockets. */
  destinations: number;
  last: number;
  /** Those of most events. */
  examples: ReplayExample[];
}

/** What the recorded history is under a policy. */
export interface Replay {
  since: number;
  /** The same policy has blocked from then on. */
  resumed: boolean;
  events: number;
  /** What would be blocked: events, destinations and subjects. */
  blocked: { count: number; destinations: number; subjects: number };
  top: ReplaySubject[];
}

/** A week: a learning window of that length has every day of one. Microseconds. */
const USUAL = 7 * 86_400 * 1e6;

/** Replays the record under a policy. Throws as `openReader`. */
export async function replay(order: ReplayOrder): Promise<Replay> {
  const reader = await openReader(order.db);
  try {
    const { resumed, since } = await sinceOf(reader, order);
    const { policy } = order;
    const all = await reader.observations({ since, byNames: namesHosts(policy) });
    const observations = all.filter(({ subject }) => isJudged(policy, subject) && isWithin(subject, order));
    const accounts = await reader.accounts();
    const called = await accountsFor(policy, accounts);
    // What was stopped is stopped again: that is nothing new, and no reason not to go on.
    const found = simulate(policy, observations, { accounts, called }).blocked;
    return { since, resumed, events: eventsOf(observations), ...summed(found) };
  } finally {
    reader.close();
  }
}

/** A policy that has blocked already has shown what it blocks: only what came after is compared. */
async function sinceOf(
  reader: Reader,
  { hash, since }: ReplayOrder,
): Promise<{ since: number; resumed: boolean }> {
  if (since !== undefined) return { since, resumed: false };
  const usual = Date.now() * 1000 - USUAL;
  const recordings = await reader.recordings({ since: usual });
  const last = recordings.findLast((each) => each.mode === 'block' && each.policyHash === hash);
  if (last === undefined || last.startedAt < usual) return { since: usual, resumed: false };
  return { since: last.startedAt, resumed: true };
}

function isWithin({ cgroup }: { cgroup?: string }, order: ReplayOrder): boolean {
  if (order.cgroup === undefined) return true;
  return cgroup === order.cgroup || cgroup?.startsWith(`${order.cgroup}/`) === true;
}

/** By subject, those with most events first. */
export function summed(entries: readonly DriftEntry[]): Pick<Replay, 'blocked' | 'top'> {
  const subjects = bySubject(entries);
  const top = [...subjects]
    .map(([subject, its]) => subjectOf(subject, its))
    .toSorted((a, b) => b.count - a.count)
    .slice(0, MOST_SUBJECTS);
  return {
    blocked: { count: eventsOf(entries), destinations: entries.length, subjects: subjects.size },
    top,
  };
}

function subjectOf(subject: string, its: readonly DriftEntry[]): ReplaySubject {
  return {
    subject,
    count: eventsOf(its),
    destinations: its.length,
    last: its.reduce((latest, { last }) => Math.max(latest, last), 0),
    examples: its
      .toSorted((a, b) => b.count - a.count)
      .slice(0, MOST_EXAMPLES)
      .map(exampleOf),
  };
}

function exampleOf(entry: DriftEntry): ReplayExample {
  const { address, count, last, names, port, protocol } = entry;
  return {
    destination: endpoint(entry),
    ...(names && { names }),
    ...(address !== undefined && { address }),
    ...(port !== undefined && { port }),
    ...(protocol !== undefined && { protocol }),
    count,
    last,
    rule: ruleText(entry),
  };
}
