import { compareAddresses, type Address } from '../../policy/value/address.ts';
import type { From } from '../../policy/meaning/policy.ts';
import { hasPorts } from '../../policy/value/protocol.ts';
import type { RecordedObservation } from '../../profiler/read/read.ts';
import { coverRelation } from '../boxes/cover.ts';
import type { ValueBox } from '../boxes/grid.ts';
import { byKey, type Keyed, type Relation, relationOfRows, rowsIn } from '../boxes/relation.ts';
import { ByAddress } from '../destination/by-address.ts';
import { compareText } from '../subject/order.ts';
import type { Demand } from '../subject/select.ts';
import type { Cells } from './cell.ts';

/** What a box may name. */
export type Value = string | number | Address;

/**
 * Cells that one box could hold, as a relation over the numbers of their values: of the subject, and of the socket, or of
 * protocol, port and address. A million cells have no object each, but a row of numbers.
 */
export class CellRelation {
  /** Names of the first axes; the last one is that of addresses, or of sockets. */
  readonly keys: readonly (keyof From)[];
  readonly #members: readonly number[];
  readonly #axes: readonly Value[][];
  /** The numbers of each cell's values. */
  readonly #rows: Int32Array;
  readonly #relation: Relation;
  /** Cells by their row of the relation: several observations may be one. */
  readonly #byRow: Keyed;
  /** For each axis, how many cells have each number. */
  readonly #times: readonly Int32Array[];

  constructor(cells: Cells, members: readonly number[]) {
    const first = cells.demands[members[0]!]!;
    this.keys = Object.keys(first.subject.from) as (keyof From)[];
    this.#members = members;
    const columns = columnsOf(cells, members, this.keys);
    this.#axes = columns.map(({ values }) => values);
    const axes = columns.length;
    this.#rows = new Int32Array(members.length * axes);
    for (const [axis, { numbers }] of columns.entries()) {
      for (let at = 0; at < members.length; at++) this.#rows[at * axes + axis] = numbers[at]!;
    }
    this.#times = columns.map(({ numbers, values }) => timesOf(numbers, values.length));
    const { places, relation } = relationOfRows(
      this.#axes.map(({ length }) => length),
      this.#rows,
    );
    this.#relation = relation;
    this.#byRow = byKey(places, relation.tuples.length / axes);
  }

  /** A minimum cover, and what it can't go below. */
  cover(): ReturnType<typeof coverRelation> {
    return coverRelation(this.#relation, this.keys.length);
  }

  /** The values that a box names, by axis. */
  valuesOf(box: ValueBox): Value[][] {
    return box.map((numbers, axis) => numbers.map((number) => this.#axes[axis]![number]!));
  }

  /** The cells of a box of the cover: by their value on the axis on which fewest cells have the box's, then in order. */
  cellsIn(box: ValueBox): number[] {
    const { items, start } = this.#byRow;
    const found: number[] = [];
    const axes = box.length;
    const axis = this.#fewest(box);
    for (const row of rowsIn(this.#relation, box)) {
      const number = this.#relation.tuples[row * axes + axis]!;
      for (let at = start[row]!; at < start[row + 1]!; at++) {
        found.push(number * this.#members.length + items[at]!);
      }
    }
    const codes = Float64Array.from(found).sort();
    for (let at = 0; at < found.length; at++) found[at] = this.#members[codes[at]! % this.#members.length]!;
    return found;
  }

  #fewest(box: ValueBox): number {
    const sizes = box.map((numbers, axis) =>
      numbers.reduce((sum, number) => sum + this.#times[axis]![number]!, 0),
    );
    return sizes.indexOf(Math.min(...sizes));
  }
}

/** The values of one dimension, in order, and the number of each cell's one. */
interface Column {
  values: Value[];
  numbers: Int32Array;
}

function columnsOf(cells: Cells, members: readonly number[], keys: readonly (keyof From)[]): Column[] {
  const { demands, observations } = cells;
  const first = observations[members[0]!]!;
  const of = (valueOf: (observation: RecordedObservation) => Value): Column =>
    columnOf(members, (cell) => valueOf(observations[cell]!));
  const addresses = new ByAddress<Value>((address) => address);
  return [
    ...keys.map((key) => columnOf(members, (cell) => subjectValue(demands[cell]!, key))),
    ...(first.socket === undefined
      ? [
          of(({ protocol }) => protocol),
          ...(hasPorts(first.protocol) ? [of(({ port }) => port)] : []),
          of((observation) => observation.name ?? addresses.of(observation)),
        ]
      : [of(({ socket }) => socket!)]),
  ];
}

/** Of several user ids all cells have the same ones, which are one value. */
function subjectValue({ subject }: Demand, key: keyof From): Value {
  return subject.from[key]![0]!;
}

function columnOf(members: readonly number[], valueOf: (cell: number) => Value): Column {
  const known = new Map<string | number | bigint, number>();
  const found: Value[] = [];
  const numbers = new Int32Array(members.length);
  let [last, number]: [Value | undefined, number] = [undefined, 0];
  for (let at = 0; at < members.length; at++) {
    const value = valueOf(members[at]!);
    // Cells come by subject, of which each value is the same for all of them.
    if (value !== last) {
      const key = valueKey(value);
      const before = known.get(key);
      number = before ?? found.length;
      if (before === undefined) {
        known.set(key, number);
        found.push(value);
      }
      last = value;
    }
    numbers[at] = number;
  }
  const order = [...found.keys()].sort((a, b) => compareValues(found[a]!, found[b]!));
  const place = new Int32Array(order.length);
  for (const [at, came] of order.entries()) place[came] = at;
  for (let at = 0; at < numbers.length; at++) numbers[at] = place[numbers[at]!]!;
  return { values: order.map((at) => found[at]!), numbers };
}

/** Addresses of the two families have keys of different types. */
function valueKey(value: Value): string | number | bigint {
  if (typeof value !== 'object') return value;
  return value.family === 4 ? Number(value.value) : value.value;
}

function compareValues(a: Value, b: Value): number {
  if (typeof a === 'number') return a - (b as number);
  return typeof a === 'string' ? compareText(a, b as string) : compareAddresses(a, b as Address);
}

function timesOf(numbers: Int32Array, count: number): Int32Array {
  const times = new Int32Array(count);
  for (const number of numbers) times[number]!++;
  return times;
}
