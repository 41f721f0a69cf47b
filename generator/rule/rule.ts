import { compareAddresses, type Address } from '../../policy/value/address.ts';
import { prefixOf, type Prefix } from '../../policy/value/cidr.ts';
import type { From } from '../../policy/meaning/policy.ts';
import type { PortRange } from '../../policy/value/port.ts';
import { mergePrefixes } from '../../policy/value/prefix-set.ts';
import { isGlob } from '../../policy/value/name.ts';
import { SOCKET_KINDS, type SocketKind } from '../../policy/value/socket-kind.ts';
import type { RecordedObservation } from '../../profiler/read/read.ts';
import type { ValueBox } from '../boxes/grid.ts';
import { keepFor } from '../subject/evidence.ts';
import { OddityFinder } from '../subject/oddity.ts';
import { compareText } from '../subject/order.ts';
import { type Cells, comparableCells } from './cell.ts';
import { CellRelation, type Value } from './cell-relation.ts';
import { chosenRanges, portRanges } from './port-range.ts';
import type { Demand } from '../subject/select.ts';
import type { RuleSubject } from '../subject/subject.ts';

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
  const drafts = new Map<string, Draft>();
  const { apart, cells, groups } = comparableCells(demands, oddities);
  const cover: RuleCover = { rules: [], boxes: 0, atLeast: 0, apart };
  for (const members of groups) {
    const relation = new CellRelation(cells, members);
    const { atLeast, boxes } = relation.cover();
    cover.atLeast += atLeast;
    cover.boxes += boxes.length;
    for (const box of boxes) addBox(drafts, cells, relation, box);
  }
  const total = cellsOfDemands(cells);
  const order = new Map(demands.map((demand, at) => [demand, at]));
  const seen = new Int32Array(cells.demands.length);
  for (const { entries, from, held, sockets } of drafts.values()) {
    entries.sort(compareEntries);
    const own = distinctCells(held, seen, cover.rules.length + 1);
    const holders = [...demandsOf(cells, own)].sort((a, b) => order.get(a)! - order.get(b)!);
    const all = holders.reduce((sum, demand) => sum + total.get(demand)!, 0);
    cover.rules.push({
      from,
      entries,
      sockets: SOCKET_KINDS.filter((kind) => sockets.includes(kind)),
      subjects: holders.map(({ subject }) => subject),
      observations: own.map((cell) => cells.observations[cell]!),
      whole: own.length === all && own.every((cell) => !cells.moved[cell]),
    });
  }
  cover.rules.sort(compareRules);
  return cover;
}

/** The cells of some boxes, each once. `seen`: for each cell the last rule that it was found in. */
function distinctCells(held: readonly number[], seen: Int32Array, rule: number): number[] {
  return held.filter((cell) => {
    if (seen[cell] === rule) return false;
    seen[cell] = rule;
    return true;
  });
}

function demandsOf(cells: Cells, members: readonly number[]): Set<Demand> {
  const found = new Set<Demand>();
  let last: Demand | undefined;
  for (const cell of members) {
    const demand = cells.demands[cell]!;
    if (demand !== last) found.add((last = demand));
  }
  return found;
}

/** How many cells each demand has. Most of them are beside each other. */
function cellsOfDemands({ demands }: Cells): Map<Demand, number> {
  const total = new Map<Demand, number>();
  for (let at = 0, first = 0; at < demands.length; at++) {
    if (demands[at] === demands[at + 1]) continue;
    total.set(demands[at]!, (total.get(demands[at]!) ?? 0) + at + 1 - first);
    first = at + 1;
  }
  return total;
}

/** Puts a box into the rule for its subjects. */
function addBox(drafts: Map<string, Draft>, cells: Cells, relation: CellRelation, box: ValueBox): void {
  const { keys } = relation;
  const values = relation.valuesOf(box);
  const members = relation.cellsIn(box);
  const from = Object.fromEntries(keys.map((key, axis) => [key, values[axis]])) as From;
  // Here all have the same ids, which are one value.
  const { uid } = cells.demands[members[0]!]!.subject.from;
  if (uid !== undefined && uid.length > 1) from.uid = uid;
  const draft = draftOf(drafts, from);
  const opening = cells.observations[members[0]!]!.socket !== undefined;
  if (opening) draft.sockets.push(...(values.at(-1) as SocketKind[]));
  else draft.entries.push(entryOf(values.slice(keys.length), cells, members));
  for (const cell of members) draft.held.push(cell);
}

/** A rule while its boxes come in. */
interface Draft {
  from: From;
  entries: Entry[];
  sockets: SocketKind[];
  /** The cells of its boxes, which may share some. */
  held: number[];
}

function draftOf(drafts: Map<string, Draft>, from: From): Draft {
  const key = JSON.stringify(from);
  let draft = drafts.get(key);
  if (draft === undefined) drafts.set(key, (draft = { from, entries: [], sockets: [], held: [] }));
  return draft;
}

function entryOf(values: readonly Value[][], { observations }: Cells, members: readonly number[]): Entry {
  const places = values.at(-1) as Address[] | string[];
  const protocols = values[0] as number[];
  const entry: Entry = isNames(places)
    ? { observed: [], names: places, keep: keepFor(members.map((cell) => observations[cell]!)), protocols }
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
