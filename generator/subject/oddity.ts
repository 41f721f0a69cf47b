import type { Address } from '../../policy/value/address.ts';
import { DELETED, type Subject, TOO_LONG } from '../../profiler/read/observation.ts';
import type { RecordedObservation } from '../../profiler/read/read.ts';
import { HOUR } from '../../profiler/read/stretch.ts';
import { AddressSet } from '../destination/address-set.ts';
import { ByAddress } from '../destination/by-address.ts';
import { METADATA } from './deny.ts';
import { userIds } from './ids.ts';
import { standsForName } from '../fleet/user-name.ts';
import { isNamedOnce } from './passing-name.ts';
import { isElsewhere } from './subject.ts';
import { versionsOf } from './version.ts';
import { ZONES } from '../prefixes/zone.ts';
import { DestinationNumbers } from '../destination/destination-numbers.ts';
import { observedDestination } from '../destination/destination.ts';

const SEEN_ONCE = 'seen once';

/** Examples in one line. */
const SHOWN = 3;

/** Ranges that never lead to a stranger on the internet. */
const special = new AddressSet(ZONES);
const metadata = new AddressSet(METADATA);

/**
 * What is marked at a subject: nothing, some of its destinations, or the subject itself. Those of different
 * kinds share no rule: what is decided on the one would be decided on the other.
 */
export type Marking = 'nothing' | 'destinations' | 'subject';

/** Finds in a record what a person should look at before it is allowed for good. It drops nothing. */
export class OddityFinder {
  /** Whether something was seen before the last tenth of the recorded time: else there is nothing to be new. */
  readonly #mayBeNew: boolean;
  /** How many addresses each /24 holds. */
  readonly #neighbours = new Map<number, number>();
  /** What is odd about an address, unless it is seen all the time. */
  readonly #ofAddress = new ByAddress((address) => {
    if (metadata.has(address)) return Odd.metadata;
    return this.#isAlone(address) ? Odd.alone : 0;
  });
  readonly #bySubject = new Map<Subject, readonly string[]>();
  readonly #destinations = new DestinationNumbers();
  /** For each destination the events there of those whose lines are asked for. */
  readonly #totals: number[] = [];
  /** Lists of reasons: by those of the subject, then by what is odd about the rest, as bits. */
  readonly #lists = new Map<readonly string[], (readonly string[])[]>();

  constructor(observations: readonly RecordedObservation[]) {
    this.#mayBeNew = observations.some((each) => !isLate(each));
    const distinct = new Set<number>();
    const seen = new ByAddress((address) => {
      if (address.family !== 4 || distinct.has(Number(address.value))) return true;
      distinct.add(Number(address.value));
      const network = networkOf(address);
      this.#neighbours.set(network, (this.#neighbours.get(network) ?? 0) + 1);
      return true;
    });
    for (const observation of observations) {
      if (observation.socket === undefined && observation.name === undefined) seen.of(observation);
    }
  }

  /**
   * A line for each reason, with the destinations it applies to: `seen once: 192.0.2.1:443/tcp and 4 more`. What one
   * subject did once and others did often is told apart from what was seen once at all. `examples`: destinations in a line.
   */
  lines(observations: readonly RecordedObservation[], examples: number = SHOWN): string[] {
    const numbers = new Int32Array(observations.length);
    for (let at = 0; at < numbers.length; at++) {
      const number = (numbers[at] = this.#destinations.of(observations[at]!));
      this.#totals[number] = 0;
    }
    for (let at = 0; at < numbers.length; at++) this.#totals[numbers[at]!]! += observations[at]!.count;
    const found = new Map<string, { destinations: Set<number>; shown: string[] }>();
    for (let at = 0; at < numbers.length; at++) {
      const observation = observations[at]!;
      const destination = numbers[at]!;
      for (const reason of this.#unordered(observation)) {
        const often = reason === SEEN_ONCE && this.#totals[destination]! > 1;
        const text = often ? `${SEEN_ONCE} by one of the subjects` : reason;
        let line = found.get(text);
        if (line === undefined) found.set(text, (line = { destinations: new Set(), shown: [] }));
        const { destinations, shown } = line;
        if (destinations.has(destination)) continue;
        destinations.add(destination);
        if (shown.length < examples) shown.push(observedDestination(observation));
      }
    }
    return [...found]
      .sort(([a], [b]) => severityOf(a) - severityOf(b) || (a < b ? -1 : 1))
      .map(([reason, { destinations, shown }]) => {
        const more = destinations.size > examples ? ` and ${destinations.size - examples} more` : '';
        return `${reason}: ${shown.join(', ')}${more}`;
      });
  }

  /** Why a person should look at an observation, the worst first; empty where that is not needed. */
  reasons(observation: RecordedObservation): string[] {
    return this.#unordered(observation).toSorted((a, b) => severityOf(a) - severityOf(b));
  }

  #unordered(observation: RecordedObservation): readonly string[] {
    const ofSubject = this.#subjectReasons(observation.subject);
    let odd = 0;
    if (observation.count === 1) odd |= Odd.once;
    if (this.#mayBeNew && isLate(observation)) odd |= Odd.late;
    if (observation.socket !== undefined) odd |= Odd.socket;
    else if (observation.name === undefined) odd |= this.#addressOddity(observation);
    else return [...reasonsFor(odd), ...nameReasons(observation), ...ofSubject];
    let lists = this.#lists.get(ofSubject);
    if (lists === undefined) this.#lists.set(ofSubject, (lists = []));
    return (lists[odd] ??= [...reasonsFor(odd), ...ofSubject]);
  }

  #addressOddity(observation: RecordedObservation): number {
    const odd = this.#ofAddress.of(observation);
    return odd === Odd.alone && isSteady(observation) ? 0 : odd;
  }

  /** Observations of one subject hold the same object. */
  #subjectReasons(subject: Subject): readonly string[] {
    let reasons = this.#bySubject.get(subject);
    if (reasons === undefined) this.#bySubject.set(subject, (reasons = subjectReasons(subject)));
    return reasons;
  }

  /** What is marked at the subject of these observations. */
  marking(observations: readonly RecordedObservation[]): Marking {
    if (observations.some(({ subject }) => this.#subjectReasons(subject).length > 0)) return 'subject';
    return observations.some((each) => this.#unordered(each).length > 0) ? 'destinations' : 'nothing';
  }

  #isAlone(address: Address): boolean {
    if (address.family !== 4 || this.#neighbours.get(networkOf(address)) !== 1) return false;
    return !special.has(address);
  }
}

/** What is odd about an observation, beside its name and its subject. */
const Odd = { once: 1, late: 2, socket: 4, metadata: 8, alone: 16 } as const;

const REASONS: Readonly<Record<keyof typeof Odd, string>> = {
  once: SEEN_ONCE,
  late: 'first seen in the last tenth of the events',
  socket: 'can send past the rules for addresses',
  metadata: 'metadata address, which hands out credentials',
  alone: 'public address without a neighbour in its /24',
};

function reasonsFor(odd: number): string[] {
  const kinds = Object.keys(REASONS) as (keyof typeof Odd)[];
  return kinds.filter((kind) => odd & Odd[kind]).map((kind) => REASONS[kind]);
}

/** The first 24 bits of an address of IPv4. */
function networkOf({ value }: Address): number {
  return Number(value) >>> 8;
}

/** Days over which something is seen again and again until its address alone is no reason to look at it. */
const STEADY = 3 * 24 * HOUR;
/** In how many tenths of the window. */
const STEADY_TENTHS = 8;

/** Whether something was seen nearly all the time, for days: then nothing about it is a matter of chance. */
function isSteady({ blocks, first, last }: RecordedObservation): boolean {
  if (last - first < STEADY) return false;
  return blocks.filter((count) => count > 0).length >= STEADY_TENTHS;
}

/** Addresses of a name from which on it is one that many services may be behind. */
const MANY = 64;

/** Why a person should look at a name: what a rule for it allows beside what was meant. */
function nameReasons({ known, name, seen }: RecordedObservation): string[] {
  const reasons: string[] = [];
  if (name?.startsWith('*.')) reasons.push('wildcard, which allows names that nobody has asked for yet');
  if (known?.by === 'host') reasons.push('name asked by another process of the host');
  if (seen !== undefined && seen.addresses > MANY)
    reasons.push(`many addresses, ${seen.addresses} of one name`);
  if (seen !== undefined && seen.others > 0) reasons.push('shared address, which other names have too');
  return reasons;
}

/** How the reasons begin, what can do most harm first. */
const SEVERITY = [
  'metadata address',
  'can send past the rules',
  'executable that is no file',
  'deleted executable',
  'executable in ',
  'process with user ids',
  'path that an update changes',
  'pattern for ',
  'container whose name',
  'public address without a neighbour',
  'range of ports',
  'wildcard',
  'name asked by another',
  'many addresses',
  'shared address',
  'first seen in the last tenth',
  'seen once',
] as const;

/** A number for a reason: 0 is the worst, and what is no reason of ours comes last. */
export function severityOf(reason: string): number {
  const at = SEVERITY.findIndex((each) => reason.startsWith(each));
  return at < 0 ? SEVERITY.length : at;
}

/** Whether something was seen in the last tenth of the recorded time alone. */
function isLate({ blocks }: RecordedObservation): boolean {
  const last = blocks.length - 1;
  if (!(blocks[last]! > 0)) return false;
  for (let block = 0; block < last; block++) if (blocks[block]! !== 0) return false;
  return true;
}

/** Why a person should look at a subject, wherever it connects. */
export function subjectReasons(subject: Subject): string[] {
  const reasons: string[] = [];
  const ids = userIds(subject);
  if (ids.length > 1)
    reasons.push(
      ids.some(standsForName)
        ? 'process with user ids of several users, each of which a rule by user allows alone'
        : `process with user ids ${ids.join(' and ')}, each of which a rule by uid allows alone`,
    );
  if (isElsewhere(subject))
    reasons.push('program that is no file of the host: the rule is for its whole service');
  const origin = oddOrigin(subject);
  if (origin !== undefined) reasons.push(origin);
  if (isNamedOnce(subject) && !subject.image)
    reasons.push(`container whose name no later one will have, ${subject.container}, of an unknown image`);
  for (const dimension of ['exe', 'script'] as const) {
    const path = subject[dimension];
    const versions = versionsOf(subject, dimension);
    if (versions) reasons.push(`pattern for ${versions.length} paths that were seen, ${path}`);
    const pattern = path && !versions && patternOf(path);
    if (pattern) reasons.push(`path that an update changes, as in ${pattern}`);
  }
  return reasons;
}

/**
 * Parts of paths that are others after an update, or the next start: revisions of snaps, mounts of AppImages,
 * hashes of Nix and of installers, versions that a directory is named by.
 */
const CHANGING: readonly [part: RegExp, instead: string][] = [
  [/^(\/snap\/[^/]+)\/\d+\//, '$1/current/'],
  [/^((?:\/var)?\/tmp)\/\.mount_[^/]+\//, '$1/.mount_*/'],
  [/^\/nix\/store\/[0-9a-z]{32}-([a-z][a-z+]*)[^/]*\//, '/nix/store/*-$1*/'],
  [/\/[0-9a-f]{32,64}(?=\/)/, '/*'],
  [/\/v?\d+(?:\.\d+)+[^/]*(?=\/)/, '/*'],
  [/(\/[a-z][\w+]*-)v?\d+(?:\.\d+)+[^/]*(?=\/)/i, '$1*'],
];

/**
 * A path with `*` for what is another one after an update; undefined where nothing is. For snaps there is a
 * link that always leads to the present one.
 */
function patternOf(path: string): string | undefined {
  const [part, instead] = CHANGING.find(([each]) => each.test(path)) ?? [];
  return part && path.replace(part, instead!);
}

/** Why this executable is unexpected. */
function oddOrigin({ exe, undeleted }: Subject): string | undefined {
  if (exe === undefined) return undefined;
  if (exe === TOO_LONG) return 'executable whose path is too long to be known';
  if (exe.startsWith('/memfd:') || exe.startsWith('memfd:')) return 'executable that is no file';
  if (exe.endsWith(DELETED) && !undeleted) return 'deleted executable';
  if (/^\/(?:tmp|var\/tmp|dev\/shm)\//.test(exe))
    return `executable in ${exe.slice(0, exe.lastIndexOf('/'))}`;
  return undefined;
}
