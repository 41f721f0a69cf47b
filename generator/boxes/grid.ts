import { byKey, findTuple, type Relation, restCodes, valuesOn } from './relation.ts';

/** Tuples of a relation by their numbers. */
export type Tuples = Readonly<Int32Array>;

/** Values of every axis, in order: the product of them. */
export type ValueBox = readonly (readonly number[])[];

/** The tuples that are equal but for one axis, for one axis. */
interface Lines {
  /** The line of each tuple. */
  of: Int32Array;
  /** Where each line begins in `tuples`; one more than there are lines. */
  start: Int32Array;
  /** Tuples line after line, in each by the value on the axis. */
  tuples: Int32Array;
  /** Their values on it: looked up there they are beside each other in memory. */
  values: Int32Array;
}

/** A relation as a table in which a tuple, and the line through a tuple along an axis, are found at once. */
export class Grid {
  readonly axes: number;
  readonly count: number;
  readonly #relation: Relation;
  readonly #lines: Lines[] = [];
  /** Those of a box between two tuples, while they are looked at. */
  readonly #corners: number[] = [];

  constructor(relation: Relation) {
    this.#relation = relation;
    this.axes = relation.sizes.length;
    this.count = relation.tuples.length / this.axes;
    for (let axis = 0; axis < this.axes; axis++) this.#lines.push(linesOf(relation, axis));
  }

  /** How many values each axis has. */
  get sizes(): readonly number[] {
    return this.#relation.sizes;
  }

  value(tuple: number, axis: number): number {
    return this.#relation.tuples[tuple * this.axes + axis]!;
  }

  /** The tuples that differ from this one on the axis alone, itself among them, by their values there. */
  line(tuple: number, axis: number): Int32Array {
    const { of, start, tuples } = this.#lines[axis]!;
    const line = of[tuple]!;
    return tuples.subarray(start[line]!, start[line + 1]!);
  }

  /** Their values on that axis. */
  lineValues(tuple: number, axis: number): Int32Array {
    const { of, start, values } = this.#lines[axis]!;
    const line = of[tuple]!;
    return values.subarray(start[line]!, start[line + 1]!);
  }

  /**
   * The values of the axis with which all of these tuples are in the relation, in order. They have the same value there
   * now, so that is among them.
   */
  commonValues(members: Tuples, axis: number): number[] {
    const { of, start, values } = this.#lines[axis]!;
    // The shortest line has the fewest values to look for in the others.
    let shortest = of[members[0]!]!;
    let least = Infinity;
    for (let at = 0; at < members.length && least > 1; at++) {
      const line = of[members[at]!]!;
      const length = start[line + 1]! - start[line]!;
      if (length < least) [shortest, least] = [line, length];
    }
    const common: number[] = [];
    for (let at = start[shortest]!; at < start[shortest + 1]!; at++) common.push(values[at]!);
    for (let at = 0; at < members.length && common.length > 1; at++) {
      const line = of[members[at]!]!;
      if (line !== shortest) this.#keepValues(common, line, axis);
    }
    return common;
  }

  /** Takes the values out that no tuple of the line has. Both are in order. */
  #keepValues(common: number[], line: number, axis: number): void {
    const { start, values } = this.#lines[axis]!;
    let low = start[line]!;
    const end = start[line + 1]!;
    let kept = 0;
    for (let at = 0; at < common.length && low < end; at++) {
      const value = common[at]!;
      let high = end;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (values[middle]! < value) low = middle + 1;
        else high = middle;
      }
      if (low < end && values[low] === value) common[kept++] = value;
    }
    common.length = kept;
  }

  /** How many tuples differ from this one on the axis alone, itself among them. */
  lineLength(tuple: number, axis: number): number {
    const { of, start } = this.#lines[axis]!;
    const line = of[tuple]!;
    return start[line + 1]! - start[line]!;
  }

  /** Whether the tuple is the first one of its line along the axis. */
  beginsLine(tuple: number, axis: number): boolean {
    const { of, start, tuples } = this.#lines[axis]!;
    return tuples[start[of[tuple]!]!] === tuple;
  }

  /** The tuple with another value on the axis; -1 when it is not in the relation. */
  step(tuple: number, axis: number, value: number): number {
    const at = tuple * this.axes + axis;
    if (this.#relation.tuples[at] === value) return tuple;
    const { of, start, tuples, values } = this.#lines[axis]!;
    const line = of[tuple]!;
    let low = start[line]!;
    let high = start[line + 1]! - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const found = values[middle]!;
      if (found === value) return tuples[middle]!;
      if (found < value) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  /** The tuple with the first value of a box on each axis; -1 when it is not in the relation. */
  cornerOf(box: ValueBox): number {
    return findTuple(
      this.#relation,
      box.map((values) => values[0]!),
    );
  }

  /** The tuples of a box; undefined when one of them is not in the relation. */
  tuplesOf(box: ValueBox): Tuples | undefined {
    return this.tuplesFrom(this.cornerOf(box), box);
  }

  /** The same where the tuple at its corner is known. */
  tuplesFrom(corner: number, box: ValueBox): Tuples | undefined {
    if (corner < 0) return undefined;
    let tuples: Tuples = Int32Array.of(corner);
    for (let axis = 0; axis < this.axes; axis++) {
      if (box[axis]!.length === 1) continue;
      const wider = this.spread(tuples, axis, box[axis]!);
      if (wider === undefined) return undefined;
      tuples = wider;
    }
    return tuples;
  }

  /**
   * Each tuple with each of the values on the axis, which are in order; undefined when one is not in the relation.
   */
  spread(tuples: Tuples, axis: number, values: readonly number[]): Tuples | undefined {
    const lines = this.#lines[axis]!;
    const wider = new Int32Array(tuples.length * values.length);
    let count = 0;
    for (let at = 0; at < tuples.length; at++) {
      const line = lines.of[tuples[at]!]!;
      const end = lines.start[line + 1]!;
      let low = lines.start[line]!;
      for (let index = 0; index < values.length; index++) {
        const value = values[index]!;
        low = firstFrom(lines.values, value, low, end);
        if (low === end || lines.values[low] !== value) return undefined;
        wider[count++] = lines.tuples[low++]!;
      }
    }
    return wider;
  }

  /** Whether the box spanned by two tuples lies in the relation. */
  compatible(a: number, b: number): boolean {
    const corners = this.#corners;
    corners[0] = a;
    let count = 1;
    for (let axis = 0; axis < this.axes; axis++) {
      const value = this.value(b, axis);
      if (this.value(a, axis) === value) continue;
      for (let at = count - 1; at >= 0; at--) {
        const corner = this.step(corners[at]!, axis, value);
        if (corner < 0) return false;
        corners[count++] = corner;
      }
    }
    return true;
  }
}

/** The first place from `low` on, before `end`, with at least this value: mostly it is near. */
function firstFrom(values: Int32Array, value: number, low: number, end: number): number {
  let step = 1;
  while (low + step < end && values[low + step]! < value) {
    low += step;
    step *= 2;
  }
  let high = Math.min(end, low + step);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function linesOf(relation: Relation, axis: number): Lines {
  const { codes, count } = restCodes(relation, axis);
  // Tuples are in lexicographic order, so those of a line come by their values on its axis.
  const { items, start } = byKey(codes, count);
  return { of: codes, start, tuples: items, values: valuesOn(relation, axis, items) };
}

/**
 * For each list of tuples of a relation the relation of these alone, with the values of each axis renumbered, and what
 * the numbers were.
 */
export function compact(
  { sizes, tuples }: Relation,
  lists: readonly Int32Array[],
): { relation: Relation; values: number[][] }[] {
  const axes = sizes.length;
  /** For each value of each axis the last list that it was found in, and its number there. */
  const foundIn = sizes.map((size) => new Int32Array(size).fill(-1));
  const numbers = sizes.map((size) => new Int32Array(size));
  return lists.map((members, list) => {
    const values = sizes.map((_, axis) => {
      const [seen, numberOf] = [foundIn[axis]!, numbers[axis]!];
      const distinct: number[] = [];
      for (let at = 0; at < members.length; at++) {
        const value = tuples[members[at]! * axes + axis]!;
        if (seen[value] === list) continue;
        seen[value] = list;
        distinct.push(value);
      }
      distinct.sort((a, b) => a - b);
      for (let number = 0; number < distinct.length; number++) numberOf[distinct[number]!] = number;
      return distinct;
    });
    const kept = new Int32Array(members.length * axes);
    for (let axis = 0; axis < axes; axis++) {
      const numberOf = numbers[axis]!;
      for (let at = 0; at < members.length; at++) {
        kept[at * axes + axis] = numberOf[tuples[members[at]! * axes + axis]!]!;
      }
    }
    return { relation: { sizes: values.map(({ length }) => length), tuples: kept }, values };
  });
}
