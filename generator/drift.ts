import { formatAddress } from '../policy/value/address.ts';
import { matchesFrom, matchesTo, normalizeFlow } from '../policy/meaning/evaluate.ts';
import { compileEvaluator } from '../policy/meaning/evaluator.ts';
import type { Box, Flow, Policy } from '../policy/meaning/policy.ts';
import { formatProtocol } from '../policy/value/protocol.ts';
import type { SocketKind } from '../policy/value/socket-kind.ts';
import { Accounts, type Observation, type Subject } from '../profiler/read/observation.ts';
import { destinationAddress, flowOf } from './subject/flow.ts';
import { inStableOrder } from './subject/order.ts';
import { ruleSubject, unnamedSubject } from './subject/subject.ts';

/**
 * An observation; `monitored` says that its denial was only noted, because the policy in force was
 * monitoring.
 */
export type DriftObservation = Observation & { monitored?: boolean };

/** What is told of a subject beside its name, in this order. */
const NAMED = [
  'command',
  'exe',
  'script',
  'uid',
  'euid',
  'fsuid',
  'inContainer',
  'container',
  'image',
] as const satisfies readonly (keyof Subject)[];

/**
 * Connections of one subject to one destination, or its sockets of one kind, that the policy does not allow.
 */
export interface DriftEntry extends Pick<Subject, (typeof NAMED)[number]> {
  /** The subject as a rule would name it, with the names of users that are known. */
  subject: string;
  /** Absent, as port and protocol, when a socket was opened. */
  address?: string;
  /** 0 where the protocol has none. */
  port?: number;
  protocol?: string;
  /** The kind of socket that was opened. */
  socket?: SocketKind;
  count: number;
  /** Microseconds since the epoch. */
  first: number;
  last: number;
  /** The deny rule that decides, or the allow rule that comes nearest. */
  rule?: { name: string; relation: 'denied by' | 'other destination' | 'other socket' | 'other subject' };
}

/** The difference between what was observed and what a policy allows. */
export interface Drift {
  /** Went through, and the policy would not let it. */
  new: DriftEntry[];
  /** Was denied, and the policy would deny it again. */
  denied: DriftEntry[];
}

/** Compares observations with a policy. Entries are in the order of subject, then destination. */
export function findDrift(
  policy: Policy,
  observations: readonly DriftObservation[],
  accounts = new Accounts(),
): Drift {
  const found = { new: new Map<string, DriftEntry>(), denied: new Map<string, DriftEntry>() };
  const judge = compileEvaluator(policy);
  for (const observation of inStableOrder(observations)) {
    const flow = flowOf(observation);
    const verdict = judge(flow);
    if (verdict.action === 'allow') continue;
    const stopped = observation.verdict === 'deny' && observation.monitored !== true;
    const entries = found[stopped ? 'denied' : 'new'];
    add(entries, observation, accounts, () => decidingRule(policy, flow, verdict.box));
  }
  return { new: inOrder(found.new), denied: inOrder(found.denied) };
}

function add(
  entries: Map<string, DriftEntry>,
  observation: DriftObservation,
  accounts: Accounts,
  rule: () => DriftEntry['rule'],
): void {
  const { subject, port, protocol, socket, count, first, last } = observation;
  const who = ruleSubject(subject, undefined, accounts);
  const name = who?.name ?? unnamedSubject(subject, accounts);
  const address = destinationAddress(observation);
  const key = [
    name,
    who?.key,
    socket,
    address.family,
    address.value.toString(16).padStart(32, '0'),
    protocol,
    port,
  ].join('\0');
  const entry = entries.get(key);
  if (entry === undefined) {
    const decided = rule();
    entries.set(key, {
      subject: name,
      ...namesOf(subject),
      ...(socket === undefined
        ? { address: formatAddress(address), port, protocol: formatProtocol(protocol) }
        : { socket }),
      count,
      first,
      last,
      ...(decided === undefined ? {} : { rule: decided }),
    });
    return;
  }
  entry.count += count;
  entry.first = Math.min(entry.first, first);
  entry.last = Math.max(entry.last, last);
}

function namesOf(subject: Subject): Pick<Subject, (typeof NAMED)[number]> {
  const known = NAMED.filter((name) => subject[name] !== undefined);
  return Object.fromEntries(known.map((name) => [name, subject[name]])) as ReturnType<typeof namesOf>;
}

/** The deny box that decided; else an allow box of the same subject; else one with the same destination. */
function decidingRule(policy: Policy, flow: Flow, decided: number | undefined): DriftEntry['rule'] {
  if (decided !== undefined) return { name: policy.boxes[decided]!.name, relation: 'denied by' };
  const normal = normalizeFlow(flow);
  const allows = policy.boxes.filter((box) => box.action === 'allow');
  const sameSubject = allows.find((box) => namesSubject(box) && matchesFrom(box, normal));
  if (sameSubject !== undefined) {
    return { name: sameSubject.name, relation: flow.socket ? 'other socket' : 'other destination' };
  }
  const sameDestination = allows.find((box) => matchesTo(box.to, normal));
  return sameDestination && { name: sameDestination.name, relation: 'other subject' };
}

/** A box for every subject is near to none in particular. */
function namesSubject(box: Box): boolean {
  return Object.keys(box.from).length > 0;
}

function inOrder(entries: Map<string, DriftEntry>): DriftEntry[] {
  return [...entries].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, entry]) => entry);
}
