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
    const count = this.#members.length;
    const found: number[] = [];
    const axes = box.length;
    const axis = this.#fewest(box);
    let inOrder = true;
    let last = -1;
    for (const row of rowsIn(this.#relation, box)) {
      const number = this.#relation.tuples[row * axes + axis]!;
      for (let at = start[row]!; at < start[row + 1]!; at++) {
        const code = number * count + items[at]!;
        inOrder &&= last < code;
        found.push((last = code));
      }
    }
    const codes = inOrder ? found : new Float64Array(found).sort();
    for (let at = 0; at < found.length; at++) {
      // A remainder of numbers that are no integers of the machine takes several times as long.
      found[at] = this.#members[codes[at]! - Math.floor(codes[at]! / count) * count]!;
    }
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
  const { observations } = cells;
  const first = observations[members[0]!]!;
  const of = (valueOf: (observation: RecordedObservation) => number | string): Column => {
    const values = new Values();
    return values.column(members, (cell) => values.of(valueOf(observations[cell]!)));
  };
  return [
    ...keys.map((key) => columnOfDemands(cells, members, key)),
    ...(first.socket === undefined
      ? [
          of(({ protocol }) => protocol),
          ...(hasPorts(first.protocol) ? [of(({ port }) => port)] : []),
          columnOfPlaces(cells, members),
        ]
      : [of(({ socket }) => socket!)]),
  ];
}

/** Of the subject: cells of a demand come one after the other, and have the same value. */
function columnOfDemands({ demands }: Cells, members: readonly number[], key: keyof From): Column {
  const values = new Values();
  let [last, number]: [Demand | undefined, number] = [undefined, 0];
  return values.column(members, (cell) => {
    const demand = demands[cell]!;
    if (demand !== last) [last, number] = [demand, values.of(subjectValue(demand, key))];
    return number;
  });
}

/** Of names, or of addresses: there are far fewer of those than cells. */
function columnOfPlaces({ observations }: Cells, members: readonly number[]): Column {
  const values = new Values();
  const addresses = new ByAddress((address) => values.of(address));
  return values.column(members, (cell) => {
    const observation = observations[cell]!;
    return observation.name === undefined ? addresses.of(observation) : values.of(observation.name);
  });
}

/** Of several user ids all cells have the same ones, which are one value. */
function subjectValue({ subject }: Demand, key: keyof From): Value {
  return subject.from[key]![0]!;
}

/** The values of a column, and numbers for them in the order in which they come. */
class Values {
  readonly #known = new Map<string | number | bigint, number>();
  readonly #found: Value[] = [];

  of(value: Value): number {
    const key = valueKey(value);
    let number = this.#known.get(key);
    if (number === undefined) {
      this.#known.set(key, (number = this.#found.length));
      this.#found.push(value);
    }
    return number;
  }

  /** The column of these cells, by the number of each one's value as it came. */
  column(members: readonly number[], numberOf: (cell: number) => number): Column {
    const numbers = new Int32Array(members.length);
    for (let at = 0; at < numbers.length; at++) numbers[at] = numberOf(members[at]!);
    const order = [...this.#found.keys()].sort((a, b) => compareValues(this.#found[a]!, this.#found[b]!));
    const place = new Int32Array(order.length);
    for (const [at, came] of order.entries()) place[came] = at;
    for (let at = 0; at < numbers.length; at++) numbers[at] = place[numbers[at]!]!;
    return { values: order.map((at) => this.#found[at]!), numbers };
  }
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
