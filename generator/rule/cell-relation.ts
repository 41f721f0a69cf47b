import { compareAddresses, type Address } from '../../policy/value/address.ts';
import type { From } from '../../policy/meaning/policy.ts';
import type { RecordedObservation } from '../../profiler/read/read.ts';
import { coverRelation } from '../boxes/cover.ts';
import type { ValueBox } from '../boxes/grid.ts';
import { relationOf } from '../boxes/relation.ts';
import { compareText } from '../subject/order.ts';
import type { Demand } from '../subject/select.ts';

/** What a box may name. */
export type Value = string | number | Address;

/** A tuple of the relation: an observation, with the values that a box may name. */
export interface Cell {
  demand: Demand;
  observation: RecordedObservation;
  /** Whether it is of another subject than that of the demand. */
  moved: boolean;
  values: readonly Value[];
}

/** Cells that one box could hold, as a relation over the numbers of their values. */
export class CellRelation {
  /** Names of the first axes; the last one is that of addresses, or of sockets. */
  readonly keys: (keyof From)[];
  readonly first: Cell;
  readonly #cells: readonly Cell[];
  readonly #axes: Axis[];
  readonly #tuples: number[][];
  /** For each axis, cells by their number on it. */
  readonly #byNumber: number[][][];

  constructor(cells: readonly Cell[]) {
    this.#cells = cells;
    this.first = cells[0]!;
    this.keys = Object.keys(this.first.demand.subject.from) as (keyof From)[];
    this.#axes = this.first.values.map((_, axis) => new Axis(cells.map(({ values }) => values[axis]!)));
    this.#tuples = cells.map(({ values }) => values.map((value, axis) => this.#axes[axis]!.numberOf(value)));
    this.#byNumber = this.#axes.map(({ values }) => values.map(() => []));
    for (const [at, tuple] of this.#tuples.entries()) {
      for (const [axis, number] of tuple.entries()) this.#byNumber[axis]![number]!.push(at);
    }
  }

  /** A minimum cover, and what it can't go below. */
  cover(): ReturnType<typeof coverRelation> {
    const sizes = this.#axes.map(({ values }) => values.length);
    return coverRelation(relationOf(sizes, this.#tuples), this.keys.length);
  }

  /** The values that a box names, by axis. */
  valuesOf(box: ValueBox): Value[][] {
    return box.map((numbers, axis) => numbers.map((number) => this.#axes[axis]!.values[number]!));
  }

  cellsIn(box: ValueBox): Cell[] {
    const inBox = box.map((numbers) => new Set(numbers));
    return this.#fewest(box)
      .filter((at) => this.#tuples[at]!.every((number, axis) => inBox[axis]!.has(number)))
      .map((at) => this.#cells[at]!);
  }

  /** The cells with the box's values on one axis: on the one where they are the fewest. */
  #fewest(box: ValueBox): number[] {
    const lists = box.map((numbers, axis) => numbers.map((number) => this.#byNumber[axis]![number]!));
    const sizes = lists.map((list) => list.reduce((sum, { length }) => sum + length, 0));
    return lists[sizes.indexOf(Math.min(...sizes))]!.flat();
  }
}

/** The values of one dimension, in order, and their numbers. */
class Axis {
  readonly values: Value[];
  readonly #numbers = new Map<string | number, number>();

  constructor(all: readonly Value[]) {
    const distinct = new Map(all.map((value) => [valueKey(value), value]));
    this.values = [...distinct.values()].sort(compareValues);
    for (const [number, value] of this.values.entries()) this.#numbers.set(valueKey(value), number);
  }

  numberOf(value: Value): number {
    return this.#numbers.get(valueKey(value))!;
  }
}

function valueKey(value: Value): string | number {
  if (typeof value !== 'object') return value;
  return value.family === 4 ? Number(value.value) : value.value.toString(16);
}

function compareValues(a: Value, b: Value): number {
  if (typeof a === 'number') return a - (b as number);
  return typeof a === 'string' ? compareText(a, b as string) : compareAddresses(a, b as Address);
}
