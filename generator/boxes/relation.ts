/**
 * A set of tuples over axes whose values are numbered from 0. Every tuple is there once, in lexicographic
 * order.
 */
export interface Relation {
  /** How many values each axis has. */
  sizes: readonly number[];
  /** One value of every axis for each tuple, tuple after tuple. */
  tuples: Int32Array;
}

/** The relation that these tuples are, in any order and with repeats. */
export function relationOf(sizes: readonly number[], tuples: Iterable<readonly number[]>): Relation {
  const sorted = [...tuples].sort(compareTuples);
  const distinct = sorted.filter((tuple, at) => at === 0 || compareTuples(tuple, sorted[at - 1]!) !== 0);
  return { sizes, tuples: Int32Array.from(distinct.flat()) };
}

export function tupleCount({ sizes, tuples }: Relation): number {
  return tuples.length / sizes.length;
}

/**
 * A number for each tuple, from 0, that is equal for tuples that are equal but for one axis. Read digit by
 * digit through a table, because the product of the sizes may exceed what a number holds.
 */
export function restCodes({ sizes, tuples }: Relation, left: number): { codes: Int32Array; count: number } {
  const axes = sizes.length;
  const codes = new Int32Array(tuples.length / axes);
  let count = 1;
  for (let axis = 0; axis < axes; axis++) {
    const size = sizes[axis]!;
    if (axis === left || size === 1) continue;
    const known = new Map<number, number>();
    for (let tuple = 0; tuple < codes.length; tuple++) {
      const code = codes[tuple]! * size + tuples[tuple * axes + axis]!;
      let number = known.get(code);
      if (number === undefined) known.set(code, (number = known.size));
      codes[tuple] = number;
    }
    count = known.size;
  }
  return { codes, count };
}

function compareTuples(a: readonly number[], b: readonly number[]): number {
  for (let axis = 0; axis < a.length; axis++) {
    if (a[axis] !== b[axis]) return a[axis]! - b[axis]!;
  }
  return 0;
}
