import { curveOf } from '../../../generator/rule/curve.ts';
import { flatBox } from '../../../generator/flat.ts';
import { flowOf } from '../../../generator/subject/flow.ts';
import { judgeByRules, type Judge } from '../../../generator/hold-out.ts';
import type { OwnerTable } from '../../../generator/rule/owner.ts';
import type { CurvePoint } from '../../../generator/prefixes/hull.ts';
import { coverDemands, type Rule } from '../../../generator/rule/rule.ts';
import { selectObservations } from '../../../generator/subject/select.ts';
import type { SubjectKind } from '../../../generator/subject/subject.ts';
import { grantOf, sharedCover, widen } from '../../../generator/rule/widen.ts';
import type { Prefix } from '../../../policy/value/cidr.ts';
import { matchesFrom, normalizeFlow } from '../../../policy/meaning/evaluate.ts';
import type { Flow, From } from '../../../policy/meaning/policy.ts';
import { hasPorts } from '../../../policy/value/protocol.ts';
import type { RecordedObservation } from '../../../profiler/read/read.ts';
import { type Candidate, rivals } from './rival.ts';

/** What a way of making policies came to: the share of later events that it denies, and how much it allows. */
export interface Point {
  name: string;
  falseDenies: number;
  /** Base 2 logarithm of the allowed combinations of subject, address, port and protocol. */
  volume: number;
}

/** All that `generate` offers against what other learners do. */
export interface Comparison {
  /** The default options; nothing that was not observed is allowed. */
  standard: Point;
  /** With the number of CIDRs that `--curve` suggests. */
  suggested: Point;
  /** None is beaten by another of ours. */
  ours: Point[];
  theirs: Point[];
  /** Of ours those that one of theirs beats on one count without losing on the other. */
  beaten: Point[];
  /** Of theirs those that none of ours equals on both counts. */
  beyond: Point[];
}

/** Budgets tried, along the curve. */
const BUDGETS = 16;

const KINDS: readonly SubjectKind[] = ['auto', 'exe', 'container', 'image', 'unit', 'uid'];

/** Makes policies of the history in all ways, and judges the later observations by them. */
export function compare(
  history: readonly RecordedObservation[],
  later: readonly RecordedObservation[],
  owners?: OwnerTable,
): Comparison {
  const world = new World(history);
  const point = (candidate: Candidate): Point => ({
    name: candidate.name,
    falseDenies: share(later, judgeByRules(candidate.rules, candidate.lists)),
    volume: Math.log2(volumeOf(candidate, world)),
  });
  const all = offers(history, owners).map(point);
  const theirs = rivals(history).map(point);
  const ours = all
    .filter((our) => !all.some((other) => beats(other, our)))
    .filter((our, at, front) => front.findIndex((other) => reaches(other, our)) === at);
  return {
    standard: all[0]!,
    suggested: point(suggestion(history)),
    ours,
    theirs,
    beaten: ours.filter((our) => theirs.some((their) => beats(their, our))),
    beyond: theirs.filter((their) => !all.some((our) => reaches(our, their))),
  };
}

/** Our policies; the first one is the default. */
function offers(history: readonly RecordedObservation[], owners: OwnerTable | undefined): Candidate[] {
  const candidates: Candidate[] = [];
  const known = new Set<string>();
  for (const by of KINDS) {
    const { demands, metadata } = selectObservations(history, { deny: [], includeDenied: false, by });
    const { rules } = coverDemands(demands);
    // Where the record does not hold what a kind asks for, it is the default again.
    const key = JSON.stringify(rules.map(({ from }) => from));
    if (known.has(key)) continue;
    known.add(key);
    const name = `ours --by ${by}`;
    const cover = sharedCover(
      rules.flatMap(({ entries }) => entries.map(({ observed }) => observed)),
      metadata,
    );
    const add = (option: string, flat: readonly Prefix[][]): void => {
      let next = 0;
      const lists = rules.map(({ entries }) => entries.map(() => flat[next++]!));
      candidates.push({ name: `${name}${option}`, rules, lists });
    };
    for (const count of new Set([cover.lossless, ...spread(cover.curve)])) {
      add(count === cover.lossless ? '' : ` --max-cidrs ${count}`, cover.within(count));
    }
    if (owners) add(' --owners', widen(rules, { denied: metadata, owners }).flat());
  }
  return [...candidates, ...flatOffers(history)];
}

/** The policy with the budget that `--curve` suggests. */
function suggestion(history: readonly RecordedObservation[]): Candidate {
  const { demands, metadata: denied } = selectObservations(history, { deny: [], includeDenied: false });
  const { rules } = coverDemands(demands);
  const maxCidrs = curveOf(rules, denied).suggested.count;
  return { name: `ours --max-cidrs ${maxCidrs}`, rules, lists: widen(rules, { denied, maxCidrs }) };
}

/** Some numbers of prefixes along the curve, both ends among them. */
function spread(points: readonly CurvePoint[]): number[] {
  const step = (points.length - 1) / BUDGETS;
  return Array.from({ length: BUDGETS + 1 }, (_, at) => points[Math.round(at * step)]!.count);
}

/** The flat layout as one rule, with ever fewer prefixes. */
function flatOffers(history: readonly RecordedObservation[]): Candidate[] {
  const { demands, metadata } = selectObservations(history, {
    deny: [],
    includeDenied: false,
    layout: 'flat',
  });
  const observations = demands.flatMap((demand) => demand.observations);
  const protocols = [...new Set(observations.map(({ protocol }) => protocol))];
  let prefixes: Prefix[] = [];
  const from = (cover: (observed: Prefix[]) => Prefix[]): From => {
    const { command, gid, uid } = flatBox(observations, {
      denied: metadata,
      cover: (observed) => (prefixes = cover(observed)),
    }).keys;
    return { command: command!.allow, uid: uid!.allow, gid: gid!.allow } as From;
  };
  from((observed) => observed);
  const exact = prefixes;
  const cover = sharedCover([exact], metadata);
  return [...new Set([cover.lossless, ...spread(cover.curve)])].map((count): Candidate => {
    const rule: Rule = {
      from: from(() => cover.within(count)[0]!),
      entries: [{ observed: exact, protocols }],
      sockets: [],
      subjects: [],
      observations: [],
      whole: true,
    };
    const option = count === cover.lossless ? '' : ` --max-cidrs ${count}`;
    return { name: `ours --layout flat${option}`, rules: [rule], lists: [[prefixes]] };
  });
}

/** No worse on either count. */
function reaches(a: Point, b: Point): boolean {
  return a.falseDenies <= b.falseDenies && a.volume <= b.volume + 1e-9;
}

/** No worse on either count, and better on one. */
export function beats(a: Point, b: Point): boolean {
  return reaches(a, b) && (a.falseDenies < b.falseDenies || a.volume < b.volume - 1e-9);
}

function share(later: readonly RecordedObservation[], allows: Judge): number {
  let [denied, events] = [0, 0];
  for (const observation of later) {
    events += observation.count;
    if (!allows(observation)) denied += observation.count;
  }
  return denied / events;
}

/** Allowed combinations, each counted once; a /64 of IPv6 counts as one address. */
function volumeOf({ lists, rules }: Candidate, world: World): number {
  let volume = 0;
  for (const [members, subjects] of world.subjectsByRules(rules)) {
    const boxes = members.flatMap((rule) =>
      rules[rule]!.entries.map(({ ports, protocols }, at) => ({
        ports,
        protocols,
        prefixes: lists[rule]![at]!,
      })),
    );
    for (const protocol of new Set(boxes.flatMap(({ protocols }) => protocols))) {
      const all = hasPorts(protocol) ? ANY_PORT : ONE_PORT;
      const open = boxes.filter(({ protocols }) => protocols.includes(protocol));
      const edges = new Set(
        open.flatMap(({ ports = all }) => ports.flatMap(({ first, last }) => [first, last + 1])),
      );
      const sorted = [...edges].sort((a, b) => a - b);
      for (const [at, port] of sorted.slice(0, -1).entries()) {
        const here = open.filter(({ ports = all }) =>
          ports.some(({ first, last }) => first <= port && port <= last),
        );
        const { allowed } = grantOf(
          here.flatMap(({ prefixes }) => prefixes),
          [],
        );
        volume += subjects * allowed * (sorted[at + 1]! - port);
      }
    }
  }
  return volume;
}

const ANY_PORT = [{ first: 0, last: 65_535 }];
const ONE_PORT = [{ first: 0, last: 0 }];

/** Every program that was seen, as every user that was seen: a rule for a user alone is one for all programs. */
class World {
  readonly #flows: Flow[] = [];

  constructor(history: readonly RecordedObservation[]) {
    const programs = new Map<string, Flow>();
    for (const observation of history) {
      const { command, container, exe, image, script, unit } = observation.subject;
      const key = JSON.stringify([command, container, exe, image, script, unit]);
      if (!programs.has(key)) programs.set(key, normalizeFlow(flowOf(observation)));
    }
    const users = new Set(history.map(({ subject }) => subject.uid));
    for (const program of programs.values()) {
      for (const uid of users) this.#flows.push({ ...program, uid, euid: uid });
    }
  }

  /** For each set of rules that has a subject of its own, how many subjects. */
  subjectsByRules(rules: readonly Rule[]): [rules: number[], subjects: number][] {
    const sets = new Map<string, [number[], number]>();
    for (const flow of this.#flows) {
      const members = [...rules.keys()].filter((rule) =>
        matchesFrom({ action: 'allow', from: rules[rule]!.from }, flow),
      );
      const set = sets.get(members.join());
      if (set === undefined) sets.set(members.join(), [members, 1]);
      else set[1]++;
    }
    return [...sets.values()];
  }
}
