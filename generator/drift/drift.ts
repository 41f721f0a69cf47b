import { formatAddress } from '../../policy/value/address.ts';
import { matchesFrom, matchesTo, normalizeFlow } from '../../policy/meaning/evaluate.ts';
import { compileEvaluator } from '../../policy/meaning/evaluator.ts';
import { reachOf } from '../../policy/meaning/known-name.ts';
import type { AccountTable, Box, Flow, Policy, To, Verdict } from '../../policy/meaning/policy.ts';
import { formatProtocol } from '../../policy/value/protocol.ts';
import type { SocketKind } from '../../policy/value/socket-kind.ts';
import { Accounts, type Observation, type Subject } from '../../profiler/read/observation.ts';
import { type NameDrift, NameDriftFinder } from './name-drift.ts';
import { SharedNames } from './shared-name.ts';
import { sumNames } from '../subject/evidence.ts';
import { destinationAddress, flowOf } from '../subject/flow.ts';
import { inStableOrder } from '../subject/order.ts';
import { ruleSubject, unnamedSubject } from '../subject/subject.ts';

/**
 * An observation; `monitored` says that its denial was only noted, because the policy in force was
 * monitoring; `rule` is the one that decided then, where one did.
 */
export type DriftObservation = Observation & { monitored?: boolean; rule?: string };

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
  /** What the address was known by, the best first; absent where it was not. */
  names?: string[];
  /** What names have to do with it: rules allow others, or other addresses. */
  nameDrift?: NameDrift;
  count: number;
  /** Microseconds since the epoch. */
  first: number;
  last: number;
  /** The rule that decides, or the allow rule that comes nearest. */
  rule?: {
    name: string;
    relation: 'allowed by' | 'denied by' | 'other destination' | 'other socket' | 'other subject';
  };
  /** What the kernel decided, where the policy as it reads says otherwise. */
  recorded?: { verdict: RecordedVerdict; rule?: string };
}

/** What a connection got when it was made; `would be denied` in monitor mode. */
export type RecordedVerdict = 'allowed' | 'denied' | 'would be denied';

/** The difference between what was observed and what a policy allows. */
export interface Drift {
  /** Went through, and the policy would not let it. */
  new: DriftEntry[];
  /** Was denied, and the policy would deny it again. */
  denied: DriftEntry[];
  /**
   * The kernel decided otherwise than the policy reads: it denied, or would have denied, what the policy allows; or it
   * allowed by a rule of this policy what that rule does not seem to allow. An older policy decided then, or the kernel
   * knew more than the record says.
   */
  disagreed: DriftEntry[];
  /**
   * Is allowed, but not by the name that the program asked for: by one that others asked for, which has the same address.
   * No drift, but more than the rule says.
   */
  shared: DriftEntry[];
}

/**
 * Compares observations with a policy. What the kernel said is the fact: each denial is in the result, whatever the
 * policy says of it. Entries are in the order of subject, then destination. `accounts` names subjects in the result;
 * `called` is what rules that name users go by, where that is more.
 */
export function findDrift(
  policy: Policy,
  observations: readonly DriftObservation[],
  accounts = new Accounts(),
  called: AccountTable = accounts,
): Drift {
  const found: Record<keyof Drift, Map<string, DriftEntry>> = {
    new: new Map(),
    denied: new Map(),
    disagreed: new Map(),
    shared: new Map(),
  };
  const judge = compileEvaluator(policy);
  const nameDrift = new NameDriftFinder(policy);
  const judged = inStableOrder(observations).map((observation) => {
    const flow = flowOf(observation, called);
    const verdict = judge(flow);
    if (verdict.action === 'allow') nameDrift.allowed(verdict.box, observation.names ?? []);
    return { observation, flow, verdict };
  });
  const names = new SharedNames(observations, judge);
  for (const { flow, observation, verdict } of judged) {
    if (verdict.action === 'allow' && observation.verdict === 'allow') {
      const rule = (): Pick<DriftEntry, 'rule'> => ruleMember(policy, flow, verdict);
      if (names.allow(observation, flow)) add(found.shared, observation, accounts, rule);
      continue;
    }
    const part = partOf(policy, observation, flow, verdict);
    const kind =
      verdict.action === 'deny' && verdict.box === undefined
        ? nameDrift.kindOf(normalizeFlow(flow), observation.names ?? [])
        : undefined;
    add(found[part], observation, accounts, () => ({
      ...ruleMember(policy, flow, verdict),
      ...(kind && { nameDrift: kind }),
      ...(part === 'disagreed' && { recorded: recordedOf(observation) }),
    }));
  }
  return {
    new: inOrder(found.new),
    denied: inOrder(found.denied),
    disagreed: inOrder(found.disagreed),
    shared: inOrder(found.shared),
  };
}

/** The part of the report that an observation belongs to which is not allowed by both, the kernel and the policy. */
function partOf(policy: Policy, observation: DriftObservation, flow: Flow, verdict: Verdict): keyof Drift {
  if (verdict.action === 'allow') return 'disagreed';
  if (observation.verdict === 'deny') return observation.monitored === true ? 'new' : 'denied';
  return wasAllowedByRule(policy, observation, flow, verdict) ? 'disagreed' : 'new';
}

/**
 * Whether the kernel allowed it by a rule that this policy still has for that destination: what the policy denies by a
 * deny rule has been denied since, but where no rule decides, the rule's subject must have been recognised by more than
 * the text of the record, such as a hard link or a link inside a container.
 */
function wasAllowedByRule(
  policy: Policy,
  { rule }: DriftObservation,
  flow: Flow,
  { box: decided }: Verdict,
): boolean {
  if (rule === undefined || decided !== undefined) return false;
  const normal = normalizeFlow(flow);
  return policy.boxes.some(
    (box) => box.action === 'allow' && box.name === rule && matchesTo(whateverName(box.to), normal),
  );
}

/** A destination with its addresses alone: the kernel may have known a name that the record has not. */
function whateverName({ keep: _keep, names, ...rest }: To): To {
  const reach = names && reachOf({ names, ...rest });
  return reach ? { ...rest, prefixes: [...reach] } : rest;
}

function recordedOf({ verdict, monitored, rule }: DriftObservation): NonNullable<DriftEntry['recorded']> {
  const said = verdict === 'allow' ? 'allowed' : monitored === true ? 'would be denied' : 'denied';
  return { verdict: said, ...(rule !== undefined && { rule }) };
}

function add(
  entries: Map<string, DriftEntry>,
  observation: DriftObservation,
  accounts: Accounts,
  decision: () => Pick<DriftEntry, 'rule' | 'recorded' | 'nameDrift'>,
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
    entries.set(key, {
      subject: name,
      ...namesOf(subject),
      ...(socket === undefined
        ? { address: formatAddress(address), port, protocol: formatProtocol(protocol) }
        : { socket }),
      count,
      first,
      last,
      ...namesMember([observation]),
      ...decision(),
    });
    return;
  }
  Object.assign(entry, namesMember([entry, observation]));
  entry.count += count;
  entry.first = Math.min(entry.first, first);
  entry.last = Math.max(entry.last, last);
}

function namesOf(subject: Subject): Pick<Subject, (typeof NAMED)[number]> {
  const known = NAMED.filter((name) => subject[name] !== undefined);
  return Object.fromEntries(known.map((name) => [name, subject[name]])) as ReturnType<typeof namesOf>;
}

function namesMember(observations: readonly Pick<Observation, 'names'>[]): Pick<DriftEntry, 'names'> {
  const names = sumNames(observations);
  return names.length === 0 ? {} : { names };
}

/** The rule to name at an entry, if there is one. */
function ruleMember(policy: Policy, flow: Flow, verdict: Verdict): Pick<DriftEntry, 'rule'> {
  const rule = decidingRule(policy, flow, verdict);
  return rule === undefined ? {} : { rule };
}

/** The box that decided; else an allow box of the same subject; else one with the same destination. */
function decidingRule(policy: Policy, flow: Flow, { action, box: decided }: Verdict): DriftEntry['rule'] {
  if (decided !== undefined) {
    return { name: policy.boxes[decided]!.name, relation: action === 'allow' ? 'allowed by' : 'denied by' };
  }
  if (action === 'allow') return undefined;
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
