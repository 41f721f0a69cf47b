import { generatePolicy, type GenerateOptions } from '../../../generator/generate.ts';
import { judgeByRules, type Judge } from '../../../generator/hold-out.ts';
import type { Entry, Rule } from '../../../generator/rule.ts';
import { ruleSubject } from '../../../generator/subject.ts';
import { destinationAddress } from '../../../generator/flow.ts';
import { prefixOf, type Prefix } from '../../../policy/cidr.ts';
import { mergePrefixes } from '../../../policy/prefix-set.ts';
import { hasPorts } from '../../../policy/protocol.ts';
import type { RecordedObservation } from '../../../profiler/read.ts';
import type { Checks } from './check.ts';
import { eventsOf, readData, type LogEvent } from './data.ts';
import { observe } from './observe.ts';

/** What a way of making policies came to: the share of later events it denies, and how much it allows. */
interface Point {
  name: string;
  falseDenies: number;
  /** Base 2 logarithm of the allowed combinations of subject, address, port and protocol. */
  volume: number;
  ours: boolean;
}

/** History: the first 70 % of the events. */
const HISTORY = 0.7;

/** Subjects with more addresses than this get the whole internet, as learning modes of that kind do. */
const GIVE_UP = 4;

const OPTIONS: GenerateOptions = {
  mode: 'block',
  target: 'host',
  deny: [],
  allowLoss: false,
  includeDenied: false,
  version: '0',
};

/** Ours and what ad-hoc generators do, on later traffic of the same hosts. */
export function benchPareto(checks: Checks): void {
  const windows = readData('otrf_two_hosts.csv.gz');
  const linux = readData('sysflow_linux.csv.gz');
  if (windows === undefined || linux === undefined) return;
  const sets: [string, LogEvent[]][] = [
    ['SysFlow', eventsOf(linux)],
    ['OTRF', eventsOf(windows)],
  ];
  for (const [name, events] of sets) {
    const cut = Math.floor(events.length * HISTORY);
    const points = pointsOf(observe(events.slice(0, cut)), observe(events.slice(cut)));
    console.log(`      ${name}: denied of the last 30 %; log2 of allowed combinations`);
    for (const point of points) {
      const share = `${(point.falseDenies * 100).toFixed(1)} %`;
      console.log(
        `        ${point.name.padEnd(44)} ${share.padStart(8)} ${point.volume.toFixed(1).padStart(7)}`,
      );
    }
    const beaten = points.filter(
      (our) => our.ours && points.some((other) => !other.ours && dominates(other, our)),
    );
    checks.holds(`${name}: the default is beaten by none on both counts`, !beaten.includes(points[0]!));
    console.log(`        ours that are beaten: ${beaten.map((each) => each.name).join('; ') || 'none'}`);
    const theirs = points.filter(
      (other) => !other.ours && points.some((our) => our.ours && dominates(our, other)),
    );
    console.log(`        theirs that ours beat: ${theirs.map((each) => each.name).join('; ') || 'none'}`);
  }
}

function dominates(a: Point, b: Point): boolean {
  const noWorse = a.falseDenies <= b.falseDenies && a.volume <= b.volume + 1e-9;
  return noWorse && (a.falseDenies < b.falseDenies || a.volume < b.volume - 1e-9);
}

function pointsOf(history: readonly RecordedObservation[], later: readonly RecordedObservation[]): Point[] {
  const input = { observations: history, activity: [], losses: [], recordings: 1, interrupted: 0 };
  const points: Point[] = [];
  const add = (name: string, ours: boolean, rules: readonly Rule[], lists: Prefix[][][]) => {
    const denied = share(later, judgeByRules(rules, lists));
    points.push({ name, ours, falseDenies: denied, volume: Math.log2(volumeOf(rules, lists)) });
  };
  const exact = generatePolicy(input, OPTIONS);
  add('ours', true, exact.rules, exact.lists);
  const count = exact.lists.flat(2).length;
  for (const part of [0.8, 0.6]) {
    const maxCidrs = Math.ceil(count * part);
    try {
      const { lists, rules } = generatePolicy(input, { ...OPTIONS, maxCidrs });
      add(`ours, --max-cidrs ${maxCidrs} (of ${count})`, true, rules, lists);
    } catch {
      console.log(`        ours, --max-cidrs ${maxCidrs}: not feasible`);
    }
  }
  for (const [name, widen] of WIDENINGS) {
    const rules = perSubject(history);
    add(
      name,
      false,
      rules,
      rules.map(({ entries }) => entries.map(({ observed }) => widen(observed))),
    );
  }
  const flat = oneBox(history);
  add('one flat box', false, [flat], [[flat.entries[0]!.observed]]);
  return points;
}

const EVERYTHING: Prefix[] = [
  { family: 4, value: 0n, length: 0 },
  { family: 6, value: 0n, length: 0 },
];

const WIDENINGS: [string, (observed: Prefix[]) => Prefix[]][] = [
  ['(a) exact addresses x ports for each subject', (observed) => observed],
  ['(b) /24 x ports for each subject', (observed) => mergePrefixes(observed.map(to24))],
  [
    '(d) the internet above four addresses',
    (observed) => (observed.length > GIVE_UP ? EVERYTHING : observed),
  ],
];

function to24(prefix: Prefix): Prefix {
  if (prefix.family === 6 || prefix.length < 24) return prefix;
  return { family: 4, value: (prefix.value >> 8n) << 8n, length: 24 };
}

/** One entry for each subject and protocol: all its addresses on all its ports. */
function perSubject(history: readonly RecordedObservation[]): Rule[] {
  const groups = new Map<string, RecordedObservation[]>();
  for (const observation of history) {
    const key = `${ruleSubject(observation.subject)!.key} ${observation.protocol}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [observation]);
    else group.push(observation);
  }
  return [...groups.values()].map((group) => {
    const subject = ruleSubject(group[0]!.subject)!;
    return {
      from: subject.from,
      entries: [entryOf(group)],
      sockets: [],
      subjects: [subject],
      observations: group,
      whole: true,
    };
  });
}

function entryOf(group: readonly RecordedObservation[]): Entry {
  const ports = [...new Set(group.map(({ port }) => port))].sort((a, b) => a - b);
  return {
    observed: mergePrefixes(group.map((each) => prefixOf(destinationAddress(each)))),
    protocols: [...new Set(group.map(({ protocol }) => protocol))],
    ...(group.every(({ protocol }) => hasPorts(protocol)) && {
      ports: ports.map((port) => ({ first: port, last: port })),
    }),
  };
}

function oneBox(history: readonly RecordedObservation[]): Rule {
  const commands = [...new Set(history.map(({ subject }) => subject.command))];
  const uids = [...new Set(history.map(({ subject }) => subject.uid))];
  const { observed, protocols } = entryOf(history);
  const entry = { observed, protocols };
  return {
    from: { command: commands, uid: uids },
    entries: [entry],
    sockets: [],
    subjects: [],
    observations: [],
    whole: true,
  };
}

function share(later: readonly RecordedObservation[], allows: Judge): number {
  let [denied, events] = [0, 0];
  for (const observation of later) {
    events += observation.count;
    if (!allows(observation)) denied += observation.count;
  }
  return denied / events;
}

/** Allowed combinations; a /64 of IPv6 counts as one address. */
function volumeOf(rules: readonly Rule[], lists: readonly (readonly (readonly Prefix[])[])[]): number {
  let volume = 0;
  for (const [at, { entries, from }] of rules.entries()) {
    const who = Object.values(from).reduce((product, list) => product * list.length, 1);
    for (const [entry, { ports, protocols }] of entries.entries()) {
      const addresses = lists[at]![entry]!.reduce(
        (sum, { family, length }) =>
          sum + (family === 4 ? 2 ** (32 - length) : 2 ** (64 - Math.min(64, length))),
        0,
      );
      const doors =
        ports?.reduce((sum, { first, last }) => sum + last - first + 1, 0) ??
        (protocols.some(hasPorts) ? 65_536 : 1);
      volume += who * addresses * doors * protocols.length;
    }
  }
  return volume;
}
