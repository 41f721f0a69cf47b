import { compareAddresses, type Address } from '../../policy/value/address.ts';
import { prefixOf, type Prefix } from '../../policy/value/cidr.ts';
import { neededKeep } from '../../policy/meaning/known-name.ts';
import { isForHostOnly } from '../../policy/meaning/evaluate.ts';
import type { Flow, From } from '../../policy/meaning/policy.ts';
import type { PortRange } from '../../policy/value/port.ts';
import { mergePrefixes } from '../../policy/value/prefix-set.ts';
import { isGlob } from '../../policy/value/name.ts';
import { hasPorts } from '../../policy/value/protocol.ts';
import { SOCKET_KINDS, type SocketKind } from '../../policy/value/socket-kind.ts';
import type { Subject } from '../../profiler/read/observation.ts';
import type { RecordedObservation } from '../../profiler/read/read.ts';
import type { ValueBox } from '../boxes/grid.ts';
import { destinationAddress, flowOf } from '../subject/flow.ts';
import { userIds } from '../subject/ids.ts';
import { observedDestination, OddityFinder, type Marking } from '../subject/oddity.ts';
import { compareText } from '../subject/order.ts';
import { type Cell, CellRelation, type Value } from './cell-relation.ts';
import { chosenRanges, portRanges } from './port-range.ts';
import type { Demand } from '../subject/select.ts';
import { coveredKeys, type RuleSubject } from '../subject/subject.ts';

/** What one entry of a rule's `to` has to allow. */
export interface Entry {
  /** Observed addresses, merged; none where it goes by names. */
  observed: Prefix[];
  /** Names, in order, instead of addresses, and for how long after their TTLs they must count, in seconds. */
  names?: string[];
  keep?: number;
  /** Absent for protocols without ports. */
  ports?: PortRange[];
  /** How many ports were seen, where `ports` has others too. */
  seenPorts?: number;
  protocols: number[];
}

/** A rule before it is a document: every subject that `from` names was seen at everything in `entries`. */
export interface Rule {
  from: From;
  entries: Entry[];
  /** The kinds of sockets that they open. */
  sockets: SocketKind[];
  /** In the order of the demands. */
  subjects: RuleSubject[];
  /** What the rule allows of the record. Rules may share observations. */
  observations: RecordedObservation[];
  /** Whether these are all observations of its subjects, and none of another one that the rule takes too. */
  whole: boolean;
}

/** Rules for a record, and how few there can be. */
export interface RuleCover {
  rules: Rule[];
  /** Boxes: entries over all rules. */
  boxes: number;
  /** No set of boxes that allows exactly the record, and joins nothing marked with what is not, has fewer. */
  atLeast: number;
  /** Whether there is something marked that was kept from sharing rules with what is not. */
  apart: boolean;
}

/**
 * The fewest boxes that allow what each subject was seen to do, and nothing else to any subject: a minimum
 * box cover over the dimensions of the subjects, protocol, port and address. Boxes for the same subjects are
 * one rule. A process with several user ids needs them all in one list, which also allows processes that have
 * one of them alone: it shares boxes only with those that have the same ones. Nor do subjects share boxes of
 * which other things are marked: see `Marking`. Of covers with as few boxes, one in which fewer subjects
 * share them. `oddities` are those of the whole record.
 */
export function coverDemands(
  demands: readonly Demand[],
  oddities: OddityFinder = new OddityFinder(demands.flatMap(({ observations }) => observations)),
): RuleCover {
  const rules = new Map<string, Draft>();
  const { apart, groups } = comparableCells(demands, oddities);
  const cover: RuleCover = { rules: [], boxes: 0, atLeast: 0, apart };
  for (const cells of groups) {
    const relation = new CellRelation(cells);
    const { atLeast, boxes } = relation.cover();
    cover.atLeast += atLeast;
    cover.boxes += boxes.length;
    for (const box of boxes) addBox(rules, relation, box);
  }
  const total = new Map<Demand, number>();
  for (const { demand } of groups.flat()) total.set(demand, (total.get(demand) ?? 0) + 1);
  for (const { demands: held, entries, from, held: observations, moved, sockets } of rules.values()) {
    entries.sort(compareEntries);
    const subjects = demands.filter((demand) => held.has(demand));
    const all = subjects.reduce((sum, demand) => sum + total.get(demand)!, 0);
    cover.rules.push({
      from,
      entries,
      sockets: SOCKET_KINDS.filter((kind) => sockets.includes(kind)),
      subjects: subjects.map(({ subject }) => subject),
      observations: [...observations],
      whole: !moved && observations.size === all,
    });
  }
  cover.rules.sort(compareRules);
  return cover;
}

/** Puts a box into the rule for its subjects. */
function addBox(rules: Map<string, Draft>, relation: CellRelation, box: ValueBox): void {
  const { first, keys } = relation;
  const values = relation.valuesOf(box);
  const from = Object.fromEntries(keys.map((key, axis) => [key, values[axis]])) as From;
  // Here all have the same ids, which are one value.
  const { uid } = first.demand.subject.from;
  if (uid !== undefined && uid.length > 1) from.uid = uid;
  const rule = ruleOf(rules, from);
  if (first.observation.socket !== undefined) rule.sockets.push(...(values.at(-1) as SocketKind[]));
  else rule.entries.push(entryOf(values.slice(keys.length), relation.cellsIn(box)));
  for (const { demand, moved, observation } of relation.cellsIn(box)) {
    rule.demands.add(demand);
    rule.held.add(observation);
    if (moved) rule.moved = true;
  }
}

/** A rule while its boxes come in. */
interface Draft {
  from: From;
  entries: Entry[];
  sockets: SocketKind[];
  demands: Set<Demand>;
  held: Set<RecordedObservation>;
  moved: boolean;
}

/**
 * Observations that one box could allow: subjects named by the same dimensions, each with one user id or all
 * with the same several, protocols alike in having ports, or all of them openings of sockets; and alike in
 * what is marked.
 */
function comparableCells(
  demands: readonly Demand[],
  oddities: OddityFinder,
): { groups: Cell[][]; apart: boolean } {
  const groups = new Map<string, Cell[]>();
  const markings = new Map<string, Set<Marking>>();
  const subjects = new Map(
    demands.map((demand) => {
      const { from } = demand.subject;
      const several = (from.uid?.length ?? 0) > 1 ? ` ${from.uid!.join('+')}` : '';
      const who = Object.values(from).map((list) => list[0]!);
      const marking = oddities.marking(demand.observations);
      return [demand, { kind: `${Object.keys(from).join()}${several}`, marking, who }];
    }),
  );
  for (const { demand, moved, observation } of withoutRepeats(demands)) {
    const { kind, marking, who } = subjects.get(demand)!;
    const { name, port, protocol, socket } = observation;
    const withPort = hasPorts(protocol);
    const values =
      socket === undefined
        ? [...who, protocol, ...(withPort ? [port] : []), name ?? destinationAddress(observation)]
        : [...who, socket];
    const alike = `${kind} ${socket === undefined ? withPort : 'socket'}${name === undefined ? '' : ' name'}`;
    markings.set(alike, (markings.get(alike) ?? new Set()).add(marking));
    const key = `${alike} ${marking}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [{ demand, moved, observation, values }]);
    else group.push({ demand, moved, observation, values });
  }
  return {
    groups: [...groups].sort(([a], [b]) => compareText(a, b)).map(([, cells]) => cells),
    apart: [...markings.values()].some(({ size }) => size > 1),
  };
}

/**
 * Each observation with the demand whose rule has to allow it: one of lower rank where that allows it anyway,
 * and one with more ids where that holds all of its own.
 */
function withoutRepeats(demands: readonly Demand[]): Omit<Cell, 'values'>[] {
  const holders = new Map<string, Demand>();
  const kinds = new Map<string, (keyof From)[]>();
  const result: Omit<Cell, 'values'>[] = [];
  for (const demand of demands.toSorted((a, b) => byRank(a.subject, b.subject))) {
    const covered = coveredKeys(demand.subject);
    const named = new Map<Subject, string[]>();
    for (const observation of demand.observations) {
      const destination = observedDestination(observation);
      let names = named.get(observation.subject);
      if (names === undefined) named.set(observation.subject, (names = namesBy(kinds, observation)));
      const keys = names.map((name) => `${name} ${destination}`);
      const holder = keys.map((key) => holders.get(key)).find((other) => other !== undefined);
      if (holder === undefined) {
        const free = covered.map((key) => `${key} ${destination}`).filter((key) => !holders.has(key));
        for (const key of free) holders.set(key, demand);
      }
      const by = holder ?? demand;
      result.push({ demand: by, moved: by !== demand, observation });
    }
    const kind = Object.keys(demand.subject.from) as (keyof From)[];
    kinds.set(kind.join(), kind);
  }
  return result;
}

function byRank(a: RuleSubject, b: RuleSubject): number {
  return a.rank - b.rank || (b.from.uid?.length ?? 0) - (a.from.uid?.length ?? 0);
}

/** The keys of the subjects that rules of these kinds take the one of the observation for. */
function namesBy(
  kinds: ReadonlyMap<string, readonly (keyof From)[]>,
  observation: RecordedObservation,
): string[] {
  const flow = flowOf(observation);
  const uid = userIds(observation.subject);
  return [...kinds.values()].flatMap((kind) => {
    const from = Object.fromEntries(
      kind.map((key) => [key, key === 'uid' ? uid : [flow[key as keyof Flow]]]),
    ) as From;
    return flow.inContainer && isForHostOnly({ action: 'allow', from }) ? [] : [JSON.stringify(from)];
  });
}

function ruleOf(rules: Map<string, Draft>, from: From): Draft {
  const key = JSON.stringify(from);
  let rule = rules.get(key);
  if (rule === undefined) {
    rule = { from, entries: [], sockets: [], demands: new Set(), held: new Set(), moved: false };
    rules.set(key, rule);
  }
  return rule;
}

function entryOf(values: readonly Value[][], cells: readonly Cell[]): Entry {
  const places = values.at(-1) as Address[] | string[];
  const protocols = values[0] as number[];
  const entry: Entry = isNames(places)
    ? { observed: [], names: places, keep: keepFor(cells), protocols }
    : { observed: mergePrefixes(places.map(prefixOf)), protocols };
  if (values.length > 2) entry.ports = portRanges(values[1] as number[]);
  return entry;
}

/**
 * The rules with ranges of ports where one destination was seen on many ports that it chooses anew each time: the next
 * ones will be others.
 */
export function widenPorts(rules: readonly Rule[]): Rule[] {
  return rules.map((rule) => ({ ...rule, entries: rule.entries.map(withRanges) }));
}

/** Whether one of the rules allows ports that were not seen. */
export function hasRanges(rules: readonly Rule[]): boolean {
  return rules.some(({ entries }) => entries.some(({ seenPorts }) => seenPorts !== undefined));
}

function withRanges(entry: Entry): Entry {
  const { names, observed, ports } = entry;
  const [address] = observed;
  const single = names
    ? names.length === 1 && !isGlob(names[0]!)
    : observed.length === 1 && address!.length === (address!.family === 4 ? 32 : 128);
  if (ports === undefined || !single) return entry;
  const seen = ports.flatMap(({ first, last }) =>
    Array.from({ length: last - first + 1 }, (_, index) => first + index),
  );
  const ranges = chosenRanges(seen);
  return ranges === undefined ? entry : { ...entry, ports: ranges, seenPorts: seen.length };
}

function isNames(places: Address[] | string[]): places is string[] {
  return typeof places[0] === 'string';
}

/** The least of the usual times for which the names of all events counted. */
function keepFor(cells: readonly Cell[]): number {
  const oldest = Math.max(...cells.map(({ observation }) => observation.known?.age ?? 0));
  return neededKeep(oldest);
}

function compareEntries(a: Entry, b: Entry): number {
  return (
    compareLists(a.protocols, b.protocols) ||
    compareLists(a.ports?.map(({ first }) => first) ?? [], b.ports?.map(({ first }) => first) ?? []) ||
    compareText(a.names?.[0], b.names?.[0]) ||
    (a.names ? 0 : compareAddresses(a.observed[0]!, b.observed[0]!))
  );
}

function compareLists(a: readonly number[], b: readonly number[]): number {
  const differs = a.findIndex((value, index) => value !== b[index]);
  if (differs < 0 || differs >= b.length) return a.length - b.length;
  return a[differs]! - b[differs]!;
}

/** By the names of the subjects. Subjects may read alike; what names them does not. */
function compareRules(a: Rule, b: Rule): number {
  const names = (rule: Rule): string => rule.subjects.map(({ name }) => name).join('\n');
  return compareText(names(a), names(b)) || compareText(JSON.stringify(a.from), JSON.stringify(b.from));
}
