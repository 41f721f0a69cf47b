import { BouhekiError } from '../../error/error.ts';
import type { GenerateInput } from '../../generator/generate.ts';
import { joinAddresses, joinNamed } from '../../generator/name/by-name.ts';
import type { FleetEvidence } from '../../generator/quorum.ts';
import { countHosts, hostsOf, placesIn } from '../../generator/fleet/host-set.ts';
import type { Observation } from '../../profiler/read/observation.ts';
import type { RecordedObservation } from '../../profiler/read/read.ts';
import { isLabel } from '../../policy/meaning/host.ts';
import { SOCKET_KINDS, type SocketKind } from '../../policy/value/socket-kind.ts';
import type { AggregateHosts, AggregateRow } from '../wire/message.ts';
import { addressOf } from './address.ts';
import { KNOWN_BY } from './known-by.ts';
import { FleetSubjects } from './subject.ts';

/** What is said of a fleet beside what was aggregated. */
export interface RecordOptions {
  workload: string;
  minHosts: number;
}

/** Parts of the window, of equal length. */
const BLOCKS = 10;

/** The evidence of a workload as the generator takes a record: plain data, the same for rows and hosts in any order. */
export type FleetRecord = GenerateInput & Required<Pick<GenerateInput, 'accounts' | 'fleet'>>;

/**
 * What the counted hosts of a workload showed, as a record. Of the times of an observation the first, the last and the
 * number of events are known: events are taken for evenly spread between the two. What a host wrote that is no subject, or
 * no kind of socket, is left out and counted: one host must not keep a policy from being made. Throws BouhekiError `no-data` where no
 * host counts.
 */
export function fleetRecord(
  hosts: AggregateHosts,
  rows: readonly AggregateRow[],
  { minHosts, workload }: RecordOptions,
): FleetRecord {
  const uncounted = hosts.uncounted.map(({ name, reason }) => ({ name, reason }));
  if (hosts.counted.length === 0) {
    const why = uncounted.map(({ name, reason }) => `${name}: ${reason}`).join(', ');
    throw new BouhekiError('no-data', `no host of workload ${workload} counts`, {
      remedy:
        'A host counts when it has recorded for a day (generate: --min-hours), is not quarantined and lost little.',
      ...(why !== '' && { detail: why }),
    });
  }
  const texts = rows.map(({ subject }) => subject.toString('utf8'));
  const subjects = new FleetSubjects(texts);
  const window = windowOf(rows);
  const apart: RecordedObservation[] = [];
  const unreadable: AggregateRow[] = [];
  for (const [at, row] of rows.entries()) {
    const subject = subjects.of(texts[at]!);
    if (subject === undefined || !isKnownSocket(row.socket)) unreadable.push(row);
    else apart.push(Object.assign(observationOf(row, window, minHosts), { subject }));
  }
  const counted = ruleNames(hosts);
  const fleet: FleetEvidence = { workload, minHosts, counted, uncounted };
  if (unreadable.length > 0) {
    const by = placesIn(hostsOf(unreadable)).map((place) => counted[place]!);
    fleet.unreadable = { count: unreadable.length, by: by.toSorted() };
  }
  const named = apart.some(({ known }) => known !== undefined);
  return {
    observations: named ? joinAddresses(apart) : apart,
    ...(named && { apart }),
    activity: [],
    losses: [],
    recordings: 0,
    interrupted: 0,
    accounts: subjects.accounts,
    fleet,
  };
}

/** What was observed at each name that events went by, and at each address without one: hosts are compared by these. */
export function shownAt({ apart, observations }: FleetRecord): readonly RecordedObservation[] {
  return apart === undefined ? observations : joinNamed(apart);
}

/** What rules call the counted hosts: their names, and their ids where another has the name or it reads like a label. */
function ruleNames({ counted, uncounted }: AggregateHosts): string[] {
  const holders = new Map<string, number>();
  for (const { name } of [...counted, ...uncounted]) holders.set(name, (holders.get(name) ?? 0) + 1);
  return counted.map(({ id, name }) => (holders.get(name) === 1 && isPlain(name) ? name : id));
}

/** What a rule takes for a name of a host. */
function isPlain(name: string): boolean {
  return !isLabel(name) && !/[*?\p{Cc}]|^\s|\s$|^$/u.test(name);
}

interface Window {
  first: number;
  last: number;
}

function windowOf(rows: readonly AggregateRow[]): Window {
  const window = { first: Infinity, last: -Infinity };
  for (const { first, last } of rows) {
    window.first = Math.min(window.first, first);
    window.last = Math.max(window.last, last);
  }
  return window;
}

function observationOf(
  row: AggregateRow,
  window: Window,
  minHosts: number,
): Omit<RecordedObservation, 'subject'> {
  const { count, first, hosts, hours, last, port, protocol, verdict } = row;
  const { family, value: address } = addressOf(row.address);
  const observation: Omit<RecordedObservation, 'subject'> = {
    family,
    address,
    port,
    protocol,
    verdict: verdict === 'ALLOW' ? 'allow' : 'deny',
    monitored: verdict === 'WOULD_DENY',
    count,
    first,
    last,
    hours,
    hosts,
    blocks: blocksOf(row, window),
  };
  if (row.socket !== '') observation.socket = row.socket as SocketKind;
  // What one host calls an address is not shown beside a rule for others.
  const names = namesOf(row, Math.min(minHosts, countHosts(hosts)));
  if (names.length > 0) observation.names = names;
  if (row.knownBy !== 'NO_NAME') Object.assign(observation, calledOf(row, row.knownBy));
  return observation;
}

/** Those that so many hosts know, in order. */
function namesOf({ nameHosts, names }: AggregateRow, leastHosts: number): string[] {
  return names.filter((_, at) => nameHosts[at]! >= leastHosts).toSorted();
}

/**
 * By the name that the events went by. Another one stands beside it where all of the hosts know it: each is judged by what
 * it knows itself. Where nobody on a host asked for another one, none does.
 */
function calledOf(
  row: AggregateRow,
  knownBy: keyof typeof KNOWN_BY,
): Pick<Observation, 'names' | 'known' | 'ages'> {
  const { ages, hosts, name } = row;
  const all = knownBy === 'HOST' ? [] : namesOf(row, countHosts(hosts));
  const others = all.filter((each) => each !== name);
  const age = ages.reduce((most, each) => Math.max(most, each), -Infinity);
  const known = { by: KNOWN_BY[knownBy], age: ages.length > 0 ? age : 0 };
  return { names: [name, ...others], known, ages };
}

function isKnownSocket(text: string): boolean {
  return text === '' || SOCKET_KINDS.some((kind) => kind === text);
}

/** Events by parts of the window: one where the first was, one where the last was, the rest spread evenly between. */
function blocksOf({ count, first, last }: AggregateRow, window: Window): number[] {
  const length = Math.max(1, window.last - window.first);
  const blockOf = (time: number) =>
    Math.min(BLOCKS - 1, Math.floor(((time - window.first) / length) * BLOCKS));
  const [from, to] = [blockOf(first), blockOf(last)];
  const parts = to - from + 1;
  const rest = Math.max(0, count - 2);
  return Array.from({ length: BLOCKS }, (_, block) => {
    if (block < from || block > to) return 0;
    const place = block - from;
    const between = Math.floor((rest * (place + 1)) / parts) - Math.floor((rest * place) / parts);
    return between + (block === from ? 1 : 0) + (block === to && count > 1 ? 1 : 0);
  });
}
