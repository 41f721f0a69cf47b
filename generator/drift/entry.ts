import { formatAddress } from '../../policy/value/address.ts';
import type { From } from '../../policy/meaning/policy.ts';
import { formatProtocol } from '../../policy/value/protocol.ts';
import type { SocketKind } from '../../policy/value/socket-kind.ts';
import type { Accounts, Observation, Subject } from '../../profiler/read/observation.ts';
import type { NameDrift } from './name-drift.ts';
import { sumNames } from '../subject/evidence.ts';
import { destinationAddress } from '../destination/destination.ts';
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
  rule?: { name: string; relation: Relation };
  /** What the kernel decided, where the policy as it reads says otherwise. */
  recorded?: { verdict: RecordedVerdict; rule?: string };
}

/** Whether a rule decides, or what of one that comes near does not match. */
export type Relation =
  | 'allowed by'
  | 'denied by'
  | 'ended'
  | 'other destination'
  | 'other socket'
  | 'other subject';

/** What a connection got when it was made; `would be denied` in monitor mode. */
export type RecordedVerdict = 'allowed' | 'denied' | 'would be denied';

/** What is said of an entry beside what was observed. */
export type Decision = Pick<DriftEntry, 'rule' | 'recorded' | 'nameDrift'>;

/** Who is told of, as rules tell subjects apart. */
export interface Party {
  name: string;
  /** Equal for subjects that are one to a rule; made of what is recorded, not of what users are called. */
  key: string;
  /** What a rule for it names; absent where none can. */
  from?: From;
}

/** The party that a recorded subject is. */
export function partyOf(subject: Subject, accounts: Accounts): Party {
  const who = ruleSubject(subject, undefined, accounts);
  const name = who?.name ?? unnamedSubject(subject, accounts);
  return { name, key: who?.key ?? name, ...(who && { from: who.from }) };
}

/** The key of the entry that an observation of a party belongs to: in the order of subject, then destination. */
export function entryKey(observation: Observation, { key, name }: Party): string {
  const { port, protocol, socket } = observation;
  const { family, value } = destinationAddress(observation);
  return [name, key, socket, family, value.toString(16).padStart(32, '0'), protocol, port].join('\0');
}

/** The entry that an observation begins. */
export function entryOf(observation: DriftObservation, { name }: Party, decision: Decision): DriftEntry {
  const { subject, port, protocol, socket, count, first, last } = observation;
  return {
    subject: name,
    ...namesOf(subject),
    ...(socket === undefined
      ? { address: formatAddress(destinationAddress(observation)), port, protocol: formatProtocol(protocol) }
      : { socket }),
    count,
    first,
    last,
    ...namesMember([observation]),
    ...decision,
  };
}

/** What the kernel decided over an observation, and by which rule. */
export function recordedOf({
  verdict,
  monitored,
  rule,
}: DriftObservation): NonNullable<DriftEntry['recorded']> {
  const said = verdict === 'allow' ? 'allowed' : monitored === true ? 'would be denied' : 'denied';
  return { verdict: said, ...(rule !== undefined && { rule }) };
}

/** How many events entries or observations stand for. */
export function eventsOf(list: readonly { count: number }[]): number {
  return list.reduce((sum, { count }) => sum + count, 0);
}

/** The entries of each subject, in the order in which subjects come first. */
export function bySubject(entries: readonly DriftEntry[]): Map<string, DriftEntry[]> {
  const found = new Map<string, DriftEntry[]>();
  for (const entry of entries) {
    const its = found.get(entry.subject);
    if (its === undefined) found.set(entry.subject, [entry]);
    else its.push(entry);
  }
  return found;
}

/** Adds one more observation to its entry. */
export function addToEntry(entry: DriftEntry, observation: DriftObservation): void {
  Object.assign(entry, namesMember([entry, observation]));
  entry.count += observation.count;
  entry.first = Math.min(entry.first, observation.first);
  entry.last = Math.max(entry.last, observation.last);
}

function namesOf(subject: Subject): Pick<Subject, (typeof NAMED)[number]> {
  const known = NAMED.filter((name) => subject[name] !== undefined);
  return Object.fromEntries(known.map((name) => [name, subject[name]])) as ReturnType<typeof namesOf>;
}

function namesMember(observations: readonly Pick<Observation, 'names'>[]): Pick<DriftEntry, 'names'> {
  const names = sumNames(observations);
  return names.length === 0 ? {} : { names };
}

/**
 * `tcp 10.0.0.1:443`, `udp [fd00::1]:53`, `icmp 10.0.0.1`, `opens raw socket`; `tcp api.example:443 (10.0.0.1)` where
 * the address was known by a name.
 */
export function endpoint({ address, names, port, protocol, socket }: DriftEntry): string {
  if (socket !== undefined) return `opens ${socket} socket`;
  const [name] = names ?? [];
  if (name !== undefined) return `${protocol} ${name}${port === 0 ? '' : `:${port}`} (${address})`;
  if (port === 0) return `${protocol} ${address}`;
  return `${protocol} ${address?.includes(':') ? `[${address}]` : address}:${port}`;
}

/** What decides, or what comes near. */
export function ruleText({ nameDrift, recorded, rule }: Decision): string {
  const decided = rule === undefined ? '-' : decisionText(rule);
  const now = nameDrift === undefined ? decided : `${nameDrift}; ${decided}`;
  if (recorded === undefined) return now;
  const then = `was ${recorded.verdict === 'would be denied' ? 'to be denied' : recorded.verdict}`;
  const by = recorded.rule === undefined ? '' : ` by ${recorded.rule}`;
  return `${then}${by}; ${rule === undefined ? 'this policy does not judge it' : `now ${now}`}`;
}

function decisionText({ name, relation }: NonNullable<DriftEntry['rule']>): string {
  switch (relation) {
    case 'allowed by':
    case 'denied by':
      return `${relation} ${name}`;
    case 'ended':
    case 'other destination':
    case 'other socket':
    case 'other subject':
      return `near ${name} (${relation})`;
  }
}
