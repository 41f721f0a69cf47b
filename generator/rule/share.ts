import {
  type Entry,
  type RuleDocument,
  SET_KINDS,
  type SetDocument,
  type SetKind,
  type ToDocument,
} from '../../policy/file/document.ts';
import { isSetName, setReference } from '../../policy/value/set-name.ts';
import { compareText } from '../subject/order.ts';

/** What a set with these values is called; undefined where nothing better than a number is known. */
export type SetNamer = (kind: SetKind, values: readonly string[]) => string | undefined;

export interface Shared {
  rules: RuleDocument[];
  sets: Map<string, SetDocument>;
}

/** Characters of a line of values. */
const LINE = 140;
/** Characters that a list has beside its values: its key, and the other lists of its line. */
const AROUND = 40;
/** Characters of a reference to a set, about. */
const REFERENCE = 16;
/** Shorter lists are read where they stand. */
const FEWEST = 3;
/** Pairs of lists are compared where there are no more of them. */
const MOST_LISTS = 120;
/** In policies with more values lists are shared that are equal. */
const MOST_VALUES = 100_000;
/** Sets of one kind. */
const MOST_SETS = 100;

/** A list of values of some destinations, all of the same kind, none of them twice. */
class List {
  readonly kind: SetKind;
  /** Sets that were taken out of it. */
  readonly references: string[] = [];
  /** How often it stands in the policy. */
  uses = 0;
  readonly #written: readonly Entry[];
  #values?: Set<string>;

  constructor(kind: SetKind, written: readonly Entry[]) {
    this.kind = kind;
    this.#written = written;
  }

  /** Of most lists of a large policy nobody asks for them. */
  get values(): Set<string> {
    return (this.#values ??= new Set(this.#written.map(textOf)));
  }

  get size(): number {
    return this.#values?.size ?? this.#written.length;
  }
}

/** Values that several lists have, and what writing them once saves. */
interface Candidate {
  values: string[];
  lists: List[];
  lines: number;
  characters: number;
}

/**
 * The rules with sets in the place of values that several of their lists have in common, where that makes the policy
 * shorter: the set that saves most first. It depends on what the lists hold, not on their order.
 */
export function shareLists(rules: readonly RuleDocument[], nameOf: SetNamer): Shared {
  const lists = listsOf(rules);
  const sets = new Map<string, SetDocument>();
  for (const kind of SET_KINDS) {
    const own = [...new Set(lists.values())].filter((list) => list.kind === kind);
    for (let count = 0; count < MOST_SETS; count++) {
      const best = bestOf(candidatesOf(own));
      if (best === undefined) break;
      const name = unusedName(nameOf(kind, best.values), sets);
      sets.set(name, { [kind]: best.values.map((value) => valueOf(kind, value)) });
      for (const list of best.lists) {
        for (const value of best.values) list.values.delete(value);
        list.references.push(setReference(name));
      }
    }
  }
  const named = [...sets].sort(([a], [b]) => compareNames(a, b));
  if (named.length === 0) return { rules: [...rules], sets };
  return { rules: rules.map((rule) => withReferences(rule, lists)), sets: new Map(named) };
}

/** The lists of all destinations, equal ones as one, by what stands in the rules. */
function listsOf(rules: readonly RuleDocument[]): Map<readonly Entry[], List> {
  const known = new Map<string, List>();
  const lists = new Map<readonly Entry[], List>();
  for (const { to = [] } of rules) {
    for (const entry of to) {
      for (const kind of SET_KINDS) {
        const written = entry[kind];
        if (written === undefined || written.length < FEWEST) continue;
        const key = `${kind} ${JSON.stringify(written.map(textOf))}`;
        const list = known.get(key) ?? new List(kind, written);
        list.uses++;
        known.set(key, list);
        lists.set(written, list);
      }
    }
  }
  return lists;
}

/** What lists have in common: all that stands in just the same lists, whole lists, and what two of them share. */
function candidatesOf(lists: readonly List[]): Candidate[] {
  if (lists.reduce((sum, { size }) => sum + size, 0) > MOST_VALUES) {
    return lists
      .filter(({ size, uses }) => uses > 1 && size >= FEWEST)
      .map((list) => weigh([...list.values], [list]))
      .filter(isGain);
  }
  const holders = new Map<string, List[]>();
  for (const list of lists) {
    for (const value of list.values) {
      const known = holders.get(value);
      if (known) known.push(list);
      else holders.set(value, [list]);
    }
  }
  const groups = new Map<string, string[]>();
  const numbers = new Map(lists.map((list, index) => [list, index]));
  for (const [value, held] of holders) {
    const key = held.map((list) => numbers.get(list)).join();
    groups.set(key, [...(groups.get(key) ?? []), value]);
  }
  const common = [...groups.values(), ...lists.map(({ values }) => [...values])];
  if (lists.length <= MOST_LISTS) common.push(...intersections(lists));
  const distinct = new Map(
    common
      .filter(({ length }) => length >= FEWEST)
      .map((values) => [JSON.stringify(values.toSorted(compareText)), values]),
  );
  return [...distinct.values()].flatMap((values) => {
    const held = holders.get(values[0]!)!.filter((list) => values.every((value) => list.values.has(value)));
    const candidate = weigh(values, held);
    return isGain(candidate) ? [candidate] : [];
  });
}

function isGain(candidate: Candidate): boolean {
  return gainOf(candidate) > 0;
}

/** A set takes a line of its own: it must save one, or so many characters in the lines that stay. */
function gainOf({ characters, lines }: Candidate): number {
  return lines + Math.floor(characters / (2 * LINE));
}

function intersections(lists: readonly List[]): string[][] {
  return lists.flatMap((one, at) =>
    lists.slice(at + 1).map((other) => [...one.values].filter((value) => other.values.has(value))),
  );
}

/** What a set of these values saves. */
function weigh(values: readonly string[], lists: List[]): Candidate {
  const size = sizeOf(values);
  let lines = -linesOf(size + REFERENCE);
  let characters = -(size + REFERENCE);
  for (const list of lists) {
    const before = sizeOf(list.values) + REFERENCE * list.references.length + AROUND;
    const after = before - size + REFERENCE;
    lines += list.uses * (linesOf(before) - linesOf(after));
    characters += list.uses * (before - after);
  }
  return { values: inOrder(values, lists[0]!), lists, lines, characters };
}

/** Values as they stand in a list. */
function inOrder(values: readonly string[], list: List): string[] {
  const held = new Set(values);
  return [...list.values].filter((value) => held.has(value));
}

function bestOf(candidates: readonly Candidate[]): Candidate | undefined {
  return candidates.reduce<Candidate | undefined>(
    (best, each) => (best === undefined || compareGain(each, best) < 0 ? each : best),
    undefined,
  );
}

function compareGain(a: Candidate, b: Candidate): number {
  return (
    gainOf(b) - gainOf(a) ||
    b.characters - a.characters ||
    compareText(JSON.stringify(a.values), JSON.stringify(b.values))
  );
}

function sizeOf(values: Iterable<string>): number {
  let size = 0;
  for (const value of values) size += value.length + 2;
  return size;
}

function linesOf(characters: number): number {
  return Math.ceil(characters / LINE);
}

function withReferences(rule: RuleDocument, lists: ReadonlyMap<readonly Entry[], List>): RuleDocument {
  if (!rule.to) return rule;
  return { ...rule, to: rule.to.map((entry) => referring(entry, lists)) };
}

function referring(entry: ToDocument, lists: ReadonlyMap<readonly Entry[], List>): ToDocument {
  const result = { ...entry };
  for (const kind of SET_KINDS) {
    const written = entry[kind];
    const list = written && lists.get(written);
    if (!list || list.references.length === 0) continue;
    const left = written.filter((each) => list.values.has(textOf(each)));
    result[kind] = [...list.references.toSorted(compareText), ...left];
  }
  return result;
}

function textOf(entry: Entry): string {
  return String(typeof entry === 'object' ? entry.value : entry);
}

function valueOf(kind: SetKind, text: string): Entry {
  return kind === 'port' && /^\d+$/.test(text) ? Number(text) : text;
}

/** `shared-2` before `shared-10`. */
function compareNames(a: string, b: string): number {
  const [one, other] = [a, b].map((name) => /^(.*?)(\d*)$/.exec(name)!) as [RegExpExecArray, RegExpExecArray];
  return compareText(one[1], other[1]) || Number(one[2]) - Number(other[2]);
}

/** A name that no other set has: the proposed one, or a number. */
function unusedName(proposed: string | undefined, taken: ReadonlyMap<string, unknown>): string {
  const plain = proposed
    ?.replaceAll(/[^\w.-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 48);
  const good = plain !== undefined && isSetName(plain) ? plain : undefined;
  if (good !== undefined && !taken.has(good)) return good;
  for (let number = good === undefined ? 1 : 2; ; number++) {
    const name = `${good ?? 'shared'}-${number}`;
    if (!taken.has(name)) return name;
  }
}
