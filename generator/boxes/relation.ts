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

/**
 * The relation of tuples that stand one after the other, in any order and with repeats. `places`: which tuple of the
 * relation each of them is.
 */
export function relationOfRows(
  sizes: readonly number[],
  rows: Int32Array,
): { relation: Relation; places: Int32Array } {
  const volume = sizes.reduce((product, size) => product * size, 1);
  return volume <= Number.MAX_SAFE_INTEGER ? ofCodes(sizes, rows) : ofRows(sizes, rows);
}

/** By a number for each tuple, which sorts several times faster than the tuples themselves. */
function ofCodes(sizes: readonly number[], rows: Int32Array): ReturnType<typeof relationOfRows> {
  const axes = sizes.length;
  const count = rows.length / axes;
  const codes = new Float64Array(count);
  for (let row = 0; row < count; row++) {
    let code = 0;
    for (let axis = 0; axis < axes; axis++) code = code * sizes[axis]! + rows[row * axes + axis]!;
    codes[row] = code;
  }
  const distinct = codes.slice().sort();
  let length = 0;
  for (let at = 0; at < count; at++) {
    if (at === 0 || distinct[at] !== distinct[at - 1]) distinct[length++] = distinct[at]!;
  }
  const tuples = new Int32Array(length * axes);
  const places = new Int32Array(count);
  for (let row = 0; row < count; row++) {
    const place = (places[row] = placeOf(distinct, length, codes[row]!));
    for (let axis = 0; axis < axes; axis++) tuples[place * axes + axis] = rows[row * axes + axis]!;
  }
  return { relation: { sizes, tuples }, places };
}

/** Where a number is among the first ones of a list in order. */
function placeOf(list: Float64Array, length: number, wanted: number): number {
  let low = 0;
  let high = length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

function ofRows(sizes: readonly number[], rows: Int32Array): ReturnType<typeof relationOfRows> {
  const axes = sizes.length;
  const places = new Int32Array(rows.length / axes);
  const order = Int32Array.from(places.keys()).sort((a, b) => compareRows(rows, axes, a, b));
  const tuples = new Int32Array(rows.length);
  let length = 0;
  for (const [at, row] of order.entries()) {
    if (at === 0 || compareRows(rows, axes, row, order[at - 1]!) !== 0) {
      tuples.set(rows.subarray(row * axes, row * axes + axes), length * axes);
      length++;
    }
    places[row] = length - 1;
  }
  return { relation: { sizes, tuples: tuples.slice(0, length * axes) }, places };
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

/** The tuples of a box that lies in the relation, in order. The values of the box are in order too. */
export function rowsIn({ sizes, tuples }: Relation, box: readonly (readonly number[])[]): number[] {
  const axes = sizes.length;
  const found: number[] = [];
  /** The first tuple from `low` on, below `high`, with at least this value on an axis that orders them. */
  const firstFrom = (low: number, high: number, axis: number, value: number): number => {
    while (low < high) {
      const middle = (low + high) >> 1;
      if (tuples[middle * axes + axis]! < value) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const visit = (axis: number, low: number, high: number): void => {
    for (const value of box[axis]!) {
      low = firstFrom(low, high, axis, value);
      if (axis === axes - 1) found.push(low);
      else visit(axis + 1, low, firstFrom(low, high, axis, value + 1));
    }
  };
  visit(0, 0, tuples.length / axes);
  return found;
}

/** The value on one axis of each of some tuples. */
export function valuesOn({ sizes, tuples }: Relation, axis: number, members: Int32Array): Int32Array {
  const values = new Int32Array(members.length);
  for (let at = 0; at < members.length; at++) values[at] = tuples[members[at]! * sizes.length + axis]!;
  return values;
}

/** Numbers for keys, from 0 in the order in which they come, and how many there are. */
export interface Numbering {
  codes: Int32Array;
  count: number;
}

const known = new WeakMap<Relation, (Numbering | undefined)[]>();

/**
 * A number for each tuple, from 0, that is equal for tuples that are equal but for one axis. Several stages ask for it,
 * so it is kept with the relation.
 */
export function restCodes(relation: Relation, left: number): Numbering {
  let codes = known.get(relation);
  if (codes === undefined) known.set(relation, (codes = []));
  return (codes[left] ??= numberRests(relation, left));
}

/** Read digit by digit, because the product of the sizes may exceed what a number holds. */
function numberRests({ sizes, tuples }: Relation, left: number): Numbering {
  const axes = sizes.length;
  const keys = new Float64Array(tuples.length / axes);
  const groups = left === 0 ? [0, keys.length] : firstValueStarts(tuples, axes);
  let limit = 1;
  /** Axes whose values are digits of the keys next, all in one look at each tuple. */
  let digits: number[] = [];
  const read = (): void => {
    for (let tuple = 0, at = 0; tuple < keys.length; tuple++, at += axes) {
      let key = keys[tuple]!;
      for (let digit = 0; digit < digits.length; digit++) {
        const axis = digits[digit]!;
        key = key * sizes[axis]! + tuples[at + axis]!;
      }
      keys[tuple] = key;
    }
    digits = [];
  };
  for (let axis = 0; axis < axes; axis++) {
    const size = sizes[axis]!;
    if (axis === left || size === 1) continue;
    if (limit * size > Number.MAX_SAFE_INTEGER) {
      read();
      const { codes, count } = numberKeys(keys, limit, groups);
      keys.set(codes);
      limit = count;
    }
    digits.push(axis);
    limit *= size;
  }
  read();
  return numberKeys(keys, limit, groups);
}

/** Where tuples with another value on the first axis begin; their rests differ, unless that is the one left out. */
function firstValueStarts(tuples: Int32Array, axes: number): number[] {
  const starts: number[] = [];
  for (let at = 0; at < tuples.length; at += axes) {
    if (at === 0 || tuples[at] !== tuples[at - axes]) starts.push(at / axes);
  }
  return [...starts, tuples.length / axes];
}

/**
 * The numbers of keys that are below `limit`; keys of different groups, which begin at `starts`, are never equal. By a
 * table of its own: a Map of as many numbers takes five times as long. One for each group, as what fits into the caches
 * of the processor is several times as fast again.
 */
function numberKeys(keys: Float64Array, limit: number, starts: readonly number[]): Numbering {
  if (starts.length === 2 && limit <= DENSE * keys.length) return numberDense(keys, limit);
  const codes = new Int32Array(keys.length);
  let table = new Int32Array(0);
  const keyOf = new Float64Array(keys.length);
  let count = 0;
  for (let group = 0; group + 1 < starts.length; group++) {
    const [start, end] = [starts[group]!, starts[group + 1]!];
    const mask = 2 ** (Math.ceil(Math.log2(end - start + 1)) + 1) - 1;
    /** For each place in the table 1 more than the number of the key there, 0 where there is none. */
    if (table.length <= mask) table = new Int32Array(mask + 1);
    else table.fill(0, 0, mask + 1);
    for (let at = start; at < end; at++) {
      const key = keys[at]!;
      const hash = Math.imul(key, 0x9e3779b1) ^ Math.imul(key / 2 ** 32, 0x85ebca6b);
      let place = (hash ^ (hash >>> 15)) & mask;
      while (table[place] !== 0 && keyOf[table[place]! - 1] !== key) place = (place + 1) & mask;
      if (table[place] === 0) {
        keyOf[count] = key;
        table[place] = ++count;
      }
      codes[at] = table[place]! - 1;
    }
  }
  return { codes, count };
}

/** How many times as many keys there may be as there are, so that a place for each of them is the fastest table. */
const DENSE = 4;

function numberDense(keys: Float64Array, limit: number): Numbering {
  const codes = new Int32Array(keys.length);
  /** For each key 1 more than its number, 0 where it has none yet. */
  const numbers = new Int32Array(limit);
  let count = 0;
  for (let at = 0; at < keys.length; at++) {
    const key = keys[at]!;
    if (numbers[key] === 0) numbers[key] = ++count;
    codes[at] = numbers[key]! - 1;
  }
  return { codes, count };
}

/** Items by their keys: those of key k are at `start[k]` to `start[k + 1]` of `items`, in order. */
export interface Keyed {
  start: Int32Array;
  items: Int32Array;
}

export function byKey(keys: Int32Array, count: number): Keyed {
  const start = new Int32Array(count + 1);
  for (const key of keys) start[key + 1]!++;
  for (let key = 0; key < count; key++) start[key + 1]! += start[key]!;
  const next = start.slice();
  const items = new Int32Array(keys.length);
  for (let item = 0; item < keys.length; item++) items[next[keys[item]!]!++] = item;
  return { start, items };
}

function compareRows(rows: Int32Array, axes: number, a: number, b: number): number {
  for (let axis = 0; axis < axes; axis++) {
    const differs = rows[a * axes + axis]! - rows[b * axes + axis]!;
    if (differs !== 0) return differs;
  }
  return 0;
}
