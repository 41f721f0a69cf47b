import { type Relation, relationOfRows } from '../../generator/boxes/relation.ts';

/** The relation that these tuples are, in any order and with repeats. */
export function relationOf(sizes: readonly number[], tuples: Iterable<readonly number[]>): Relation {
  const rows: number[] = [];
  for (const tuple of tuples) for (const value of tuple) rows.push(value);
  return relationOfRows(sizes, Int32Array.from(rows)).relation;
}

export function tupleCount({ sizes, tuples }: Relation): number {
  return tuples.length / sizes.length;
}
