import { type Relation, restCodes } from './relation.ts';

/** Values of every axis, in order: the product of them. */
export type ValueBox = readonly (readonly number[])[];

/** A relation as a table in which a tuple, and the line through a tuple along an axis, are found at once. */
export class Grid {
  readonly axes: number;
  readonly count: number;
  readonly #relation: Relation;
  readonly #index = new Map<number, number>();
  readonly #place: number[];
  readonly #lineOf: Int32Array[] = [];
  readonly #lines: number[][][] = [];

  constructor(relation: Relation) {
    this.#relation = relation;
    this.axes = relation.sizes.length;
    this.count = relation.tuples.length / this.axes;
    // Exact while the product of the sizes is below 2^53; `compact` relations are.
    this.#place = relation.sizes.map((_, axis) =>
      relation.sizes.slice(axis + 1).reduce((product, size) => product * size, 1),
    );
    for (let tuple = 0; tuple < this.count; tuple++) {
      let code = 0;
      for (let axis = 0; axis < this.axes; axis++) code += this.value(tuple, axis) * this.#place[axis]!;
      this.#index.set(code, tuple);
    }
    for (let axis = 0; axis < this.axes; axis++) {
      const { codes, count } = restCodes(relation, axis);
      const lines: number[][] = Array.from({ length: count }, () => []);
      for (let tuple = 0; tuple < this.count; tuple++) lines[codes[tuple]!]!.push(this.value(tuple, axis));
      this.#lineOf.push(codes);
      this.#lines.push(lines);
    }
  }

  value(tuple: number, axis: number): number {
    return this.#relation.tuples[tuple * this.axes + axis]!;
  }

  /** The values of the axis that, with the tuple's other values, are in the relation. */
  line(tuple: number, axis: number): readonly number[] {
    return this.#lines[axis]![this.#lineOf[axis]![tuple]!]!;
  }

  /** The tuples of a box; undefined when one of them is not in the relation. */
  tuplesOf(box: ValueBox): number[] | undefined {
    let codes = [0];
    for (let axis = 0; axis < this.axes; axis++) {
      const place = this.#place[axis]!;
      const values = box[axis]!;
      if (values.length === 1) {
        const offset = values[0]! * place;
        for (let at = 0; at < codes.length; at++) codes[at] = codes[at]! + offset;
      } else codes = codes.flatMap((code) => values.map((value) => code + value * place));
    }
    const tuples: number[] = [];
    for (const code of codes) {
      const tuple = this.#index.get(code);
      if (tuple === undefined) return undefined;
      tuples.push(tuple);
    }
    return tuples;
  }

  /** Whether the box spanned by two tuples lies in the relation. */
  compatible(a: number, b: number): boolean {
    let codes = [0];
    for (let axis = 0; axis < this.axes; axis++) {
      const place = this.#place[axis]!;
      const left = this.value(a, axis) * place;
      const right = this.value(b, axis) * place;
      if (left === right) {
        for (let at = 0; at < codes.length; at++) codes[at] = codes[at]! + left;
      } else codes = [...codes.map((code) => code + left), ...codes.map((code) => code + right)];
    }
    // The first and the last are the tuples themselves.
    for (let at = codes.length - 2; at > 0; at--) if (!this.#index.has(codes[at]!)) return false;
    return true;
  }
}

/**
 * The tuples of a relation that `members` names, with the values of each axis renumbered, and what the
 * numbers were.
 */
export function compact(
  { sizes, tuples }: Relation,
  members: Int32Array,
): { relation: Relation; values: number[][] } {
  const axes = sizes.length;
  const values = sizes.map((_, axis) => {
    const distinct = new Set<number>();
    for (const tuple of members) distinct.add(tuples[tuple * axes + axis]!);
    return [...distinct].sort((a, b) => a - b);
  });
  const numbers = values.map((list) => new Map(list.map((value, number) => [value, number])));
  const kept = new Int32Array(members.length * axes);
  for (const [at, tuple] of members.entries()) {
    for (let axis = 0; axis < axes; axis++) {
      kept[at * axes + axis] = numbers[axis]!.get(tuples[tuple * axes + axis]!)!;
    }
  }
  return { relation: { sizes: values.map((list) => list.length), tuples: kept }, values };
}
