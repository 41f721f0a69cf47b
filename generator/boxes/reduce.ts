import { byKey, type Relation, restCodes } from './relation.ts';

/** A relation without repeated slices. */
export interface Reduced {
  relation: Relation;
  /**
   * For each axis and each value of it that is left, the values of the original relation that it stands for.
   */
  classes: number[][][];
}

/**
 * Joins values of an axis whose slices are equal, on every axis until nothing changes. Boxes of the result
 * are boxes of the original, and neither the fewest boxes that cover it nor the largest fooling set changes.
 */
export function mergeSlices(original: Relation): Reduced {
  let relation = original;
  const classes = original.sizes.map((size) => Array.from({ length: size }, (_, value) => [value]));
  const axes = original.sizes.length;
  for (let axis = 0, unchanged = 0; unchanged < axes; axis = (axis + 1) % axes) {
    const merged = mergeAxis(relation, axis);
    unchanged = merged === undefined ? unchanged + 1 : 1;
    if (merged === undefined) continue;
    relation = merged.relation;
    classes[axis] = merged.groups.map((group) =>
      group.flatMap((value) => classes[axis]![value]!).sort((a, b) => a - b),
    );
  }
  return { relation, classes };
}

/** Undefined when all slices differ. `groups`: the values that each new value stands for. */
function mergeAxis(relation: Relation, axis: number): { relation: Relation; groups: number[][] } | undefined {
  const { sizes, tuples } = relation;
  const size = sizes[axis]!;
  const slices = sliceNumbers(relation, axis);
  const groupOf = new Map<number, number>();
  const groups: number[][] = [];
  const place = new Int32Array(size).fill(-1);
  for (let value = 0; value < size; value++) {
    let group = groupOf.get(slices[value]!);
    if (group === undefined) {
      groupOf.set(slices[value]!, (group = groups.length));
      groups.push([]);
      place[value] = group;
    }
    groups[group]!.push(value);
  }
  if (groups.length === size) return undefined;
  const axes = sizes.length;
  const kept = new Int32Array(tuples.length);
  let length = 0;
  for (let at = 0; at < tuples.length; at += axes) {
    const value = place[tuples[at + axis]!]!;
    if (value < 0) continue;
    for (let other = 0; other < axes; other++) kept[length + other] = tuples[at + other]!;
    kept[length + axis] = value;
    length += axes;
  }
  return { relation: { sizes: sizes.with(axis, groups.length), tuples: kept.slice(0, length) }, groups };
}

/**
 * A number for each value of the axis, equal for equal slices. Tuples are in lexicographic order, so equal slices are
 * equal sequences of what the other axes say: they are looked up by a hash, and compared.
 */
function sliceNumbers(relation: Relation, axis: number): Int32Array {
  const { sizes, tuples } = relation;
  const size = sizes[axis]!;
  const { codes } = restCodes(relation, axis);
  const values = new Int32Array(codes.length);
  for (let tuple = 0; tuple < values.length; tuple++) values[tuple] = tuples[tuple * sizes.length + axis]!;
  const { items, start } = byKey(values, size);
  const sequences = new Int32Array(items.length);
  for (let at = 0; at < items.length; at++) sequences[at] = codes[items[at]!]!;
  const sequence = (value: number): Int32Array => sequences.subarray(start[value]!, start[value + 1]!);
  const alike = new Map<number, number[]>();
  return Int32Array.from({ length: size }, (_, value) => {
    const hash = hashOf(sequence(value));
    const others = alike.get(hash);
    const equal = others?.find((other) => areEqual(sequence(other), sequence(value)));
    if (equal !== undefined) return equal;
    if (others === undefined) alike.set(hash, [value]);
    else others.push(value);
    return value;
  });
}

function hashOf(sequence: Int32Array): number {
  let hash = 0;
  for (const code of sequence) hash = Math.imul(hash, 0x01000193) ^ Math.imul(code, 0x9e3779b1);
  return hash;
}

function areEqual(some: Int32Array, others: Int32Array): boolean {
  if (some.length !== others.length) return false;
  for (let at = 0; at < some.length; at++) if (some[at] !== others[at]) return false;
  return true;
}
