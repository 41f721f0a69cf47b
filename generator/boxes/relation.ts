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
  const volume = sizes.reduce((product, size) => product * size, 1);
  return volume <= Number.MAX_SAFE_INTEGER ? ofCodes(sizes, tuples) : ofTuples(sizes, tuples);
}

/** By a number for each tuple, which sorts several times faster than the tuples themselves. */
function ofCodes(sizes: readonly number[], tuples: Iterable<readonly number[]>): Relation {
  const codes = Float64Array.from(tuples, (tuple) =>
    tuple.reduce((code, value, axis) => code * sizes[axis]! + value, 0),
  ).sort();
  const sorted = new Int32Array(codes.length * sizes.length);
  let length = 0;
  for (const [at, code] of codes.entries()) {
    if (at > 0 && code === codes[at - 1]) continue;
    let rest = code;
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      sorted[length + axis] = rest % sizes[axis]!;
      rest = Math.floor(rest / sizes[axis]!);
    }
    length += sizes.length;
  }
  return { sizes, tuples: sorted.slice(0, length) };
}

function ofTuples(sizes: readonly number[], tuples: Iterable<readonly number[]>): Relation {
  const sorted = [...tuples].sort(compareTuples);
  const distinct = sorted.filter((tuple, at) => at === 0 || compareTuples(tuple, sorted[at - 1]!) !== 0);
  return { sizes, tuples: Int32Array.from(distinct.flat()) };
}

/** Where a tuple is in the order of the relation; -1 when it is not in it. */
export function findTuple({ sizes, tuples }: Relation, wanted: readonly number[]): number {
  const axes = sizes.length;
  let low = 0;
  let high = tuples.length / axes - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    let differs = 0;
    for (let axis = 0; axis < axes && differs === 0; axis++) {
      differs = tuples[middle * axes + axis]! - wanted[axis]!;
    }
    if (differs === 0) return middle;
    if (differs < 0) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
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

/** Items by their keys: those of key k are at `start[k]` to `start[k + 1]` of `items`, in order. */
export function byKey(keys: Int32Array, count: number): { start: Int32Array; items: Int32Array } {
  const start = new Int32Array(count + 1);
  for (const key of keys) start[key + 1]!++;
  for (let key = 0; key < count; key++) start[key + 1]! += start[key]!;
  const next = start.slice();
  const items = new Int32Array(keys.length);
  for (let item = 0; item < keys.length; item++) items[next[keys[item]!]!++] = item;
  return { start, items };
}

function compareTuples(a: readonly number[], b: readonly number[]): number {
  for (let axis = 0; axis < a.length; axis++) {
    if (a[axis] !== b[axis]) return a[axis]! - b[axis]!;
  }
  return 0;
}
