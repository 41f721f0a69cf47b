import { type Relation, restCodes } from './relation.ts';

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
  const members = new Map<number, number[]>();
  for (let tuple = 0; tuple < count; tuple++) {
    const root = find(tuple);
    const list = members.get(root);
    if (list === undefined) members.set(root, [tuple]);
    else list.push(tuple);
  }
  return [...members.values()].map((list) => Int32Array.from(list));
}
