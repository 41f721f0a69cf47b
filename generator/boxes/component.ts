import { byKey, type Relation, restCodes } from './relation.ts';

/**
 * The tuples of the relation in parts that no box connects. Two tuples of one box are linked through tuples
 * of it that differ in one axis only, so tuples without such a link never share a box and each part can be
 * covered by itself.
 */
export function componentsOf(relation: Relation): Int32Array[] {
  const count = relation.tuples.length / relation.sizes.length;
  const parent = new Int32Array(count);
  for (let tuple = 0; tuple < count; tuple++) parent[tuple] = tuple;
  const find = (tuple: number): number => {
    while (parent[tuple] !== tuple) tuple = parent[tuple] = parent[parent[tuple]!]!;
    return tuple;
  };
  for (let axis = 0; axis < relation.sizes.length; axis++) {
    const { codes, count: lines } = restCodes(relation, axis);
    const first = new Int32Array(lines).fill(-1);
    for (let tuple = 0; tuple < count; tuple++) {
      const line = codes[tuple]!;
      if (first[line]! < 0) first[line] = tuple;
      else {
        const [a, b] = [find(first[line]!), find(tuple)];
        parent[Math.max(a, b)] = Math.min(a, b);
      }
    }
  }
  /** For each root the number of its part, in the order of their first tuples, which are the roots. */
  const parts = new Int32Array(count);
  const partOf = new Int32Array(count);
  let found = 0;
  for (let tuple = 0; tuple < count; tuple++) {
    const root = find(tuple);
    if (root === tuple) parts[root] = found++;
    partOf[tuple] = parts[root]!;
  }
  const { items, start } = byKey(partOf, found);
  return Array.from({ length: found }, (_, part) => items.slice(start[part]!, start[part + 1]!));
}
