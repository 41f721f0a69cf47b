import { readNamePattern } from '../../policy/value/host-name.ts';
import { isPublic } from '../../policy/value/public-address.ts';
import type { Subject } from '../../profiler/read/observation.ts';
import type { RecordedObservation } from '../../profiler/read/read.ts';
import { eventsFrom, isSeenBefore, TRAINING } from '../subject/ahead.ts';
import { sumEvidence, sumNames } from '../subject/evidence.ts';
import { hostsOf } from '../fleet/host-set.ts';
import { groupsOf, inStableOrder, mostOf } from '../subject/order.ts';
import { type Suffixes, widenNames } from './wildcard.ts';
import { destinationAddress } from '../destination/destination.ts';

/** What destinations go by: `auto` is by name where every event had one, and that denies no more than addresses would. */
export type DestinationKind = 'auto' | 'name' | 'address';

/**
 * The record with one observation for all addresses of a name, where destinations can go by name: every event of an
 * address there must have been known by a name that its program or container asked for, or by the only one on the host,
 * and the address must be public. All others stay, one for each address. `apart` are the same events, told apart by
 * names. With `suffixes` wildcards stand for names where new ones keep coming.
 */
export function joinNames(
  together: readonly RecordedObservation[],
  apart: readonly RecordedObservation[],
  by: DestinationKind,
  suffixes?: Suffixes,
): RecordedObservation[] {
  if (by === 'address') return [...together];
  const keyOf = placeKeys();
  const parts = groupsOf(apart, keyOf);
  const services = new Map<string, Service>();
  const rest: RecordedObservation[] = [];
  for (const observation of together) {
    const named = parts.get(keyOf(observation));
    if (!named?.every(goesByName)) {
      rest.push(observation);
      continue;
    }
    const { port, protocol, subject, verdict } = observation;
    const key = keyOf.service(subject, `${verdict} ${observation.monitored} ${port} ${protocol}`);
    const service = services.get(key) ?? { addresses: [], parts: [] };
    services.set(key, service);
    service.addresses.push(observation);
    for (const part of named) service.parts.push(part);
  }
  return [...rest, ...[...services.values()].flatMap((service) => chosen(service, by, suffixes))];
}

/** What one subject did on one port. */
interface Service {
  addresses: RecordedObservation[];
  parts: RecordedObservation[];
}

/** The events of a service by name, or by address where names would have denied more of the last fifth. */
function chosen(
  { addresses, parts }: Service,
  by: DestinationKind,
  suffixes: Suffixes | undefined,
): RecordedObservation[] {
  const exact = groupsOf(parts, ({ names }) => names![0]!);
  const groups = suffixes === undefined ? exact : widenNames(exact, suffixes, isEarly);
  const named = [...groups].map(([name, events]) => joinOf(name, events));
  return by === 'name' || unforeseen(named) <= unforeseen(addresses) ? named : addresses;
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
  const { known, names, socket } = observation;
  if (socket !== undefined || known === undefined || names === undefined) return false;
  if (known.by === 'unbelieved' || (known.by === 'host' && names.length > 1)) return false;
  const reading = readNamePattern(names[0]!);
  return 'pattern' in reading && reading.pattern === names[0] && isPublic(destinationAddress(observation));
}

/** Names of an observation. */
const LISTED = 8;

/** One observation for the events of a name, or of those that a wildcard stands for. */
function joinOf(name: string, parts: readonly RecordedObservation[]): RecordedObservation {
  const names = [...new Set(parts.map((part) => part.names![0]!))].sort();
  const own = new Set(names);
  const others = new Set(parts.flatMap((part) => part.names!.slice(1)).filter((other) => !own.has(other)));
  return {
    ...sumOf(parts),
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

/** Those who ask for names, the least telling first. */
const ASKERS = ['unbelieved', 'host', 'cgroup', 'self'] as const;

/** The events of several observations, as one of the busiest. Hours cannot be added: there were at least so many. */
function sumOf(unordered: readonly RecordedObservation[]): RecordedObservation {
  const parts = inStableOrder(unordered);
  const most = parts.reduce((a, b) => (b.count > a.count ? b : a));
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
  return [...apart.filter((each) => !goesByName(each)), ...joined];
}

/** The observations of each address as one, of those that were told apart by names. */
export function joinAddresses(apart: readonly RecordedObservation[]): RecordedObservation[] {
  return [...groupsOf(apart, placeKeys()).values()].map((parts) => {
    const { known: _known, names: _names, ...joined } = sumOf(parts);
    const names = sumNames(inStableOrder(parts));
    return Object.assign(joined, names.length > 0 && { names });
  });
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
