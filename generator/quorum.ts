import { formatCount, formatNumber, formatPercent } from '../format/number.ts';
import type { RecordedObservation } from '../profiler/read/read.ts';
import { DestinationNumbers } from './destination/destination-numbers.ts';
import { countHosts, hostsOf, placesIn, type HostSet } from './fleet/host-set.ts';
import { ageOn } from './name/by-name.ts';
import { compareText } from './subject/order.ts';
import type { Demand } from './subject/select.ts';

/** Whose evidence several hosts' observations are. */
export interface FleetEvidence {
  workload: string;
  /** How rules call the hosts that count, by their places in the sets of observations. */
  counted: readonly string[];
  uncounted: readonly { name: string; reason: string }[];
  /** What fewer hosts showed is not granted. */
  minHosts: number;
  /** Observations that could not be read, and the hosts that showed them. Absent: none. */
  unreadable?: { count: number; by: string[] };
}

/** What too few hosts showed of one subject, for each set of hosts. */
interface Withheld extends Demand {
  hosts: string[];
}

/** The share of what a host did that no other host did. */
export interface HostHoldOut {
  /** Keys (subject and destination) that one host alone showed. */
  alone: number;
  /** Keys over all hosts, each as often as hosts showed it. */
  shown: number;
  hosts: number;
}

export interface Quorum {
  least: number;
  holdOut: HostHoldOut;
  withheld: Withheld[];
  /** Of what is granted by a name that some host needed for longer than enough hosts did: as those needed it. */
  aged: ReadonlyMap<RecordedObservation, RecordedObservation>;
  /** Destinations that are granted all the same, inside rules for others: see `withoutGranted`. */
  inside: number;
}

/** A subject at a destination, with the hosts that showed it. */
interface Key {
  demand: Demand;
  observations: RecordedObservation[];
  hosts: HostSet;
}

/** Reasons of hosts that a person has taken out of the workload: it does without them. */
const TAKEN_OUT: ReadonlySet<string> = new Set(['quarantined', 'revoked']);

/**
 * How many hosts must have shown what is granted: `minHosts`, or all where the workload has fewer. Hosts that only do not
 * count now are of the workload: else one that counts alone, since others lost events or are new, would be granted all it
 * did.
 */
export function leastHosts({ counted, minHosts, uncounted }: FleetEvidence): number {
  const others = uncounted.filter(({ reason }) => !TAKEN_OUT.has(reason));
  return Math.min(minHosts, counted.length + others.length);
}

/** What enough hosts showed, and what not. */
export function quorumOf(demands: readonly Demand[], fleet: FleetEvidence): Quorum {
  const { counted } = fleet;
  const least = leastHosts(fleet);
  const keys = keysOf(demands);
  const sizes = keys.map(({ hosts }) => countHosts(hosts));
  const withheld = new Map<string, Withheld>();
  for (const { demand, hosts, observations } of keys.filter((_, at) => sizes[at]! < least)) {
    const names = placesIn(hosts).map((place) => counted[place]!);
    names.sort(compareText);
    const key = JSON.stringify([demand.subject.key, names]);
    const known = withheld.get(key) ?? { subject: demand.subject, hosts: names, observations: [] };
    withheld.set(key, known);
    known.observations.push(...observations);
  }
  return {
    least,
    aged: new Map(keys.flatMap((key, at) => (sizes[at]! < least ? [] : agedIn(key, least)))),
    inside: 0,
    holdOut: {
      alone: sizes.filter((size) => size === 1).length,
      shown: sizes.reduce((sum, size) => sum + size, 0),
      hosts: counted.length,
    },
    withheld: [...withheld.values()].sort(
      (a, b) => compareText(a.subject.name, b.subject.name) || compareText(a.hosts.join(), b.hosts.join()),
    ),
  };
}

/** What one host says of the time that it needs a name makes it longer for nobody, whatever else its subject says. */
function agedIn({ observations }: Key, least: number): [RecordedObservation, RecordedObservation][] {
  const named = observations.filter(({ known, name }) => name !== undefined && known !== undefined);
  if (named.length === 0) return [];
  const age = ageOn(named, least);
  return named
    .filter(({ known }) => known!.age > age)
    .map((each) => [each, Object.assign({}, each, { known: { ...each.known, age } })]);
}

function keysOf(demands: readonly Demand[]): Key[] {
  const destinations = new DestinationNumbers();
  return demands.flatMap((demand) => {
    const byDestination = new Map<number, RecordedObservation[]>();
    for (const observation of demand.observations) {
      const number = destinations.of(observation);
      const known = byDestination.get(number);
      if (known === undefined) byDestination.set(number, [observation]);
      else known.push(observation);
    }
    return [...byDestination.values()].map((observations) => ({
      demand,
      observations,
      hosts: hostsOf(observations),
    }));
  });
}

/**
 * The share of a host's keys that no other host showed: Good-Turing's estimate in its form for incidence, which is what
 * leaving out each host in turn gives. Undefined with one host, or none.
 */
export function unseenByOthers({ alone, hosts, shown }: HostHoldOut): number | undefined {
  return hosts < 2 || shown === 0 ? undefined : alone / shown;
}

/** `0.84 % of what a host did was shown by no other, 16 destinations a host`. */
export function describeHostHoldOut(holdOut: HostHoldOut): string {
  const share = unseenByOthers(holdOut);
  if (share === undefined) return 'not possible, there are no two hosts to compare';
  const each = (holdOut.alone / holdOut.hosts).toFixed(1).replace(/\.0$/, '');
  return `${formatPercent(share)} of what a host did was shown by no other host, ${each} destinations a host`;
}

/**
 * Without what the rules grant all the same: a budget of CIDRs covers what lies between, and a rule for a process with
 * several users is for each of these too. It is counted, and no decision could take it out.
 */
export function withoutGranted(
  quorum: Quorum,
  grants: (observation: RecordedObservation) => boolean,
): Quorum {
  let inside = 0;
  const withheld = quorum.withheld.flatMap((each) => {
    const observations = each.observations.filter((observation) => !grants(observation));
    inside += each.observations.length - observations.length;
    return observations.length === 0 ? [] : [Object.assign({}, each, { observations })];
  });
  return { ...quorum, inside, withheld };
}

/** Why all is withheld where fewer hosts count than have to show what is granted; undefined where enough do. */
export function describeShortage({ holdOut: { hosts }, least }: Quorum): string | undefined {
  return hosts < least
    ? `Too few: ${formatCount(hosts, 'host')} counted, and what is granted must be shown by ${least}`
    : undefined;
}

/** Lines of the header about the hosts. */
export function describeFleet(
  { counted, uncounted, unreadable, workload }: FleetEvidence,
  quorum: Quorum,
): string[] {
  const { holdOut, inside, least, withheld } = quorum;
  const shortage = describeShortage(quorum);
  const left = uncounted.map(({ name, reason }) => `${name} (${reason})`).sort(compareText);
  const few = withheld.reduce((sum, { observations }) => sum + observations.length, 0);
  return [
    `Fleet: ${formatCount(counted.length, 'host')} of workload ${workload} counted` +
      (left.length === 0 ? '' : `, ${formatNumber(left.length)} not: ${left.join(', ')}`),
    ...(shortage === undefined ? [] : [shortage]),
    ...(unreadable
      ? [
          `Unreadable: ${formatCount(unreadable.count, 'observation')} of ${unreadable.by.join(', ')}, left out`,
        ]
      : []),
    `Host hold-out: ${describeHostHoldOut(holdOut)}`,
    ...(inside === 0
      ? []
      : [
          `Inside rules for others: ${formatCount(inside, 'destination')} that fewer than ${least} hosts showed`,
        ]),
    ...(few === 0
      ? []
      : [
          `Withheld: ${formatCount(few, 'destination')} that fewer than ${least} hosts showed, in the lines below`,
        ]),
  ];
}
