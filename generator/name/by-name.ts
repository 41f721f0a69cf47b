import { isNameGlob, readNamePattern } from '../../policy/value/host-name.ts';
import { isPublic } from '../../policy/value/public-address.ts';
import { leadingName, type Subject } from '../../profiler/read/observation.ts';
import type { RecordedObservation } from '../../profiler/read/read.ts';
import { eventsFrom, isSeenBefore, TRAINING } from '../subject/ahead.ts';
import { sumEvidence, sumNames } from '../subject/evidence.ts';
import { countHosts, hostsOf, placesIn } from '../fleet/host-set.ts';
import { groupsOf, inStableOrder, mostOf } from '../subject/order.ts';
import { type Suffixes, widenNames } from './wildcard.ts';
import { destinationAddress } from '../destination/destination.ts';

/** What destinations go by: `auto` is by name where every event had one, and that denies no more than addresses would. */
export type DestinationKind = 'auto' | 'name' | 'address';

/** What is proposed beside names, and what is asked of the hosts of a fleet. */
export interface NameOptions {
  /** With them wildcards stand for names where new ones keep coming. */
  suffixes?: Suffixes | undefined;
  /** In a fleet: what fewer hosts showed is granted nobody. */
  leastHosts?: number | undefined;
}

/**
 * The record with one observation for all addresses of a name, where destinations can go by name: every event of an
 * address there must have been known by a name that its program or container asked for, or by the only one on the host,
 * and the address must be public. All others stay, one for each address. `apart` are the same events, told apart by
 * names. In a fleet, events without such a name that too few hosts showed stand by themselves: they are not granted, so the
 * others need not go by address for them.
 */
export function joinNames(
  together: readonly RecordedObservation[],
  apart: readonly RecordedObservation[],
  by: DestinationKind,
  options: NameOptions = {},
): RecordedObservation[] {
  if (by === 'address') return [...together];
  const keyOf = placeKeys();
  const parts = groupsOf(apart, keyOf);
  const services = new Map<string, Service>();
  const rest: RecordedObservation[] = [];
  for (const whole of together) {
    const place = placeOf(whole, parts.get(keyOf(whole)) ?? [], options);
    if (place === undefined) {
      rest.push(whole);
      continue;
    }
    const { port, protocol, subject, verdict } = whole;
    const key = keyOf.service(subject, `${verdict} ${whole.monitored} ${port} ${protocol}`);
    const service = services.get(key);
    if (service === undefined) services.set(key, [place]);
    else service.push(place);
  }
  return [...rest, ...[...services.values()].flatMap((service) => chosen(service, by, options))];
}

/** An address that can go by name. */
interface Place {
  whole: RecordedObservation;
  named: RecordedObservation[];
  /** The events that cannot, where too few hosts of a fleet showed them. */
  others: RecordedObservation[];
}

/** What one subject did on one port. */
type Service = Place[];

function placeOf(
  whole: RecordedObservation,
  parts: readonly RecordedObservation[],
  { leastHosts }: NameOptions,
): Place | undefined {
  const [named, others]: [RecordedObservation[], RecordedObservation[]] = [[], []];
  for (const each of parts) (goesByName(each) ? named : others).push(each);
  if (named.length === 0) return undefined;
  if (others.length > 0 && isShown(others, leastHosts)) return undefined;
  return { whole, named, others };
}

/** Whether what some observations have in common is granted: in a fleet, enough hosts have shown it. */
function isShown(parts: readonly RecordedObservation[], leastHosts = 0): boolean {
  return leastHosts === 0 || countHosts(hostsOf(parts)) >= leastHosts;
}

/** The events of a service by name, or by address where names would have denied more of the last fifth. */
function chosen(service: Service, by: DestinationKind, options: NameOptions): RecordedObservation[] {
  const { leastHosts } = options;
  const exact = groupsOf(
    service.flatMap(({ named }) => named),
    ({ names }) => names![0]!,
  );
  const groups = widened(exact, options);
  const others = service.flatMap((place) => (place.others.length > 0 ? [joinPlace(place.others)] : []));
  const named = [...[...groups].map(([name, events]) => joinOf(name, events, leastHosts)), ...others];
  const addresses = service.map(({ whole }) => whole);
  // What one host of a fleet did is granted neither way: it must not decide for all.
  const granted = (all: readonly RecordedObservation[]) => all.filter((each) => isShown([each], leastHosts));
  const lost = unforeseen(granted(named)) + notShown(service, exact, leastHosts);
  return by === 'name' || lost <= unforeseen(granted(addresses)) ? named : addresses;
}

/** With wildcards, for names that are granted: what one host of a fleet made up must not become one. */
function widened(
  exact: ReadonlyMap<string, RecordedObservation[]>,
  { leastHosts, suffixes }: NameOptions,
): ReadonlyMap<string, RecordedObservation[]> {
  if (suffixes === undefined) return exact;
  const shown = [...exact].filter(([, events]) => isShown(events, leastHosts));
  const few = [...exact].filter(([, events]) => !isShown(events, leastHosts));
  return new Map([...few, ...widenNames(new Map(shown), suffixes, isEarly)]);
}

/** Events at addresses that enough hosts of a fleet showed, while none of their names was. */
function notShown(
  service: Service,
  exact: ReadonlyMap<string, RecordedObservation[]>,
  leastHosts: number | undefined,
): number {
  const shown = new Set([...exact].flatMap(([name, events]) => (isShown(events, leastHosts) ? [name] : [])));
  return service.reduce((sum, { named, whole }) => {
    const some = named.some(({ names }) => shown.has(names![0]!));
    return some || !isShown([whole], leastHosts) ? sum : sum + whole.count;
  }, 0);
}

function isEarly(observations: readonly RecordedObservation[]): boolean {
  return observations.some((each) => isSeenBefore(each, TRAINING));
}

/** Events of the last fifth of the window at what was not seen before. */
function unforeseen(observations: readonly RecordedObservation[]): number {
  return observations.reduce(
    (sum, each) => (isSeenBefore(each, TRAINING) ? sum : sum + eventsFrom(each, TRAINING)),
    0,
  );
}

/** Whether all events of an observation can be allowed by the first of their names. */
function goesByName(observation: RecordedObservation): boolean {
  const name = observation.socket === undefined ? leadingName(observation) : undefined;
  if (name === undefined) return false;
  const reading = readNamePattern(name);
  // A program can ask for `*.com` too: in a rule that would stand for other names.
  const isPlain = 'pattern' in reading && reading.pattern === name && !isNameGlob(name);
  return isPlain && isPublic(destinationAddress(observation));
}

/** Names of an observation. */
const LISTED = 8;

/** One observation for the events of a name, or of those that a wildcard stands for. */
function joinOf(
  name: string,
  parts: readonly RecordedObservation[],
  leastHosts?: number,
): RecordedObservation {
  const names = [...new Set(parts.map((part) => part.names![0]!))].sort();
  const own = new Set(names);
  const others = new Set(parts.flatMap((part) => part.names!.slice(1)).filter((other) => !own.has(other)));
  return {
    ...sumOf(parts),
    ...(leastHosts !== undefined && { ages: agesOn(parts) }),
    name,
    names: names.slice(0, LISTED),
    // What holds for the event that was known worst holds for all.
    known: {
      by: ASKERS.find((each) => parts.some(({ known }) => known!.by === each))!,
      age: mostOf(parts, ({ known }) => known!.age),
    },
    seen: {
      addresses: new Set(parts.map(({ address, family }) => `${family} ${address}`)).size,
      others: others.size,
      names: names.length,
      self: parts.reduce((sum, { count, known }) => (known!.by === 'self' ? sum + count : sum), 0),
    },
  };
}

/** The most seconds after the TTL on each host, in the order of their places, as `ages` of an observation. */
function agesOn(parts: readonly RecordedObservation[]): number[] {
  return [...agesByHost(parts)].toSorted(([a], [b]) => a - b).map(([, age]) => age);
}

function agesByHost(parts: readonly RecordedObservation[]): Map<number, number> {
  const ages = new Map<number, number>();
  for (const { ages: own = [], hosts = new Uint8Array(0), known } of parts) {
    for (const [at, place] of placesIn(hosts).entries()) {
      const age = own[at] ?? known!.age;
      ages.set(place, Math.max(age, ages.get(place) ?? -Infinity));
    }
  }
  return ages;
}

/** The seconds after the TTL that so many hosts of a fleet needed a name for, or all that showed it. */
export function ageOn(parts: readonly RecordedObservation[], leastHosts: number): number {
  const sorted = [...agesByHost(parts).values()].toSorted((a, b) => b - a);
  return sorted[Math.min(leastHosts, sorted.length) - 1] ?? mostOf(parts, ({ known }) => known!.age);
}

/** Those who ask for names, the least telling first. */
const ASKERS = ['unbelieved', 'host', 'cgroup', 'self'] as const;

/** The events of several observations, as one of the busiest. Hours cannot be added: there were at least so many. */
function sumOf(unordered: readonly RecordedObservation[]): RecordedObservation {
  const parts = inStableOrder(unordered);
  const { ages: _ages, ...most } = parts.reduce((a, b) => (b.count > a.count ? b : a));
  return {
    ...most,
    ...sumEvidence(parts),
    hours: mostOf(parts, ({ hours }) => hours),
    ...(most.hosts && { hosts: hostsOf(parts) }),
    blocks: most.blocks.map((_, block) => parts.reduce((sum, { blocks }) => sum + blocks[block]!, 0)),
  };
}

/** Those that go by a name as one for each name, on each port; the others as they are. */
export function joinNamed(apart: readonly RecordedObservation[]): RecordedObservation[] {
  const keyOf = placeKeys();
  const named = groupsOf(apart.filter(goesByName), ({ monitored, names, port, protocol, subject, verdict }) =>
    keyOf.service(subject, `${names![0]} ${verdict} ${monitored} ${port} ${protocol}`),
  );
  const joined = [...named.values()].map((parts) => joinOf(parts[0]!.names![0]!, parts));
  return [...joinAddresses(apart.filter((each) => !goesByName(each))), ...joined];
}

/** The observations of each address as one, of those that were told apart by names. */
export function joinAddresses(apart: readonly RecordedObservation[]): RecordedObservation[] {
  return [...groupsOf(apart, placeKeys()).values()].map(joinPlace);
}

/** The events of one subject at one address. */
function joinPlace(parts: readonly RecordedObservation[]): RecordedObservation {
  const { known: _known, names: _names, ...joined } = sumOf(parts);
  const names = sumNames(inStableOrder(parts));
  return Object.assign(joined, names.length > 0 && { names });
}

interface PlaceKeys {
  /** Equal for equal subjects, destinations and verdicts. */
  (observation: RecordedObservation): string;
  service(subject: Subject, rest: string): string;
}

/** Subjects of two queries are different objects. */
function placeKeys(): PlaceKeys {
  const subjects = new Map<Subject, string>();
  const subjectKey = (subject: Subject): string => {
    let key = subjects.get(subject);
    if (key === undefined) subjects.set(subject, (key = JSON.stringify(subject)));
    return key;
  };
  const keyOf = (observation: RecordedObservation): string => {
    const { address, family, monitored, port, protocol, socket, subject, verdict } = observation;
    return `${subjectKey(subject)} ${verdict} ${monitored} ${socket ?? ''} ${family} ${address} ${port} ${protocol}`;
  };
  return Object.assign(keyOf, {
    service: (subject: Subject, rest: string) => `${subjectKey(subject)} ${rest}`,
  });
}
