import assert from 'node:assert/strict';
import test from 'node:test';
import { coverRelation } from '../../../../generator/boxes/cover.ts';
import { relationOf, type Relation } from '../../../../generator/boxes/relation.ts';
import { Random } from '../random.ts';

/** A random relation: some boxes thrown together, so that there is structure to find. */
function randomRelation(random: Random, sizes: readonly number[]): Relation {
  const tuples: number[][] = [];
  for (let boxes = 1 + random.below(5); boxes > 0; boxes--) {
    let part: number[][] = [[]];
    for (const size of sizes) {
      const values = Array.from({ length: size }, (_, value) => value).filter(() => random.below(2) === 0);
      part = part.flatMap((tuple) => (values.length > 0 ? values : [0]).map((value) => tuple.concat(value)));
    }
    tuples.push(...part);
  }
  return relationOf(sizes, tuples);
}

function tuplesOf({ sizes, tuples }: Relation): string[] {
  const list: string[] = [];
  for (let at = 0; at < tuples.length; at += sizes.length) {
    list.push(tuples.subarray(at, at + sizes.length).join());
  }
  return list;
}

function cells(box: readonly (readonly number[])[]): string[] {
  return box
    .reduce<number[][]>(
      (tuples, values) => tuples.flatMap((tuple) => values.map((value) => tuple.concat(value))),
      [[]],
    )
    .map((tuple) => tuple.join());
}

/** Every set of some of the numbers below `size`, but for the empty one. */
function subsets(size: number): number[][] {
  return Array.from({ length: 2 ** size - 1 }, (_, mask) =>
    Array.from({ length: size }, (_each, value) => value).filter((value) => ((mask + 1) >> value) & 1),
  );
}

/** The fewest boxes, by trying all sets of boxes of growing size. Only for tiny relations. */
function fewestBoxes(relation: Relation): number {
  const inside = new Set(tuplesOf(relation));
  let boxes: number[][][] = [[]];
  for (const size of relation.sizes)
    boxes = boxes.flatMap((box) => subsets(size).map((set) => box.concat([set])));
  const valid = boxes.map(cells).filter((each) => each.every((cell) => inside.has(cell)));
  const maximal = valid.filter(
    (each) =>
      !valid.some((other) => other.length > each.length && each.every((cell) => other.includes(cell))),
  );
  const search = (open: Set<string>, left: number): boolean => {
    if (open.size === 0) return true;
    if (left === 0) return false;
    const [first] = open;
    return maximal
      .filter((each) => each.includes(first!))
      .some((each) => search(new Set([...open].filter((cell) => !each.includes(cell))), left - 1));
  };
  for (let count = 1; ; count++) if (search(inside, count)) return count;
}

test('the boxes are the relation, and no value of any box can be spared', () => {
  const random = new Random(10);
  for (let instance = 0; instance < 300; instance++) {
    const sizes = Array.from({ length: 2 + random.below(4) }, () => 1 + random.below(5));
    const relation = randomRelation(random, sizes);
    const { atLeast, boxes } = coverRelation(relation);
    const all = new Set(tuplesOf(relation));
    const held = boxes.flatMap(cells);
    assert.deepEqual([...new Set(held)].sort(), [...all].sort());
    assert.ok(atLeast >= 1 && atLeast <= boxes.length);
    const times = new Map<string, number>();
    for (const cell of held) times.set(cell, (times.get(cell) ?? 0) + 1);
    for (const box of boxes) {
      for (const [axis, values] of box.entries()) {
        for (const value of values) {
          const slice = cells(box.with(axis, [value]));
          assert.ok(
            slice.some((cell) => times.get(cell) === 1),
            `instance ${instance}`,
          );
        }
      }
    }
  }
});

test('the bound is below the fewest boxes there can be, and the cover is at it nearly always', () => {
  const random = new Random(11);
  let optimal = 0;
  let certified = 0;
  const instances = 400;
  for (let instance = 0; instance < instances; instance++) {
    const relation = randomRelation(random, [2 + random.below(2), 2 + random.below(2), 3]);
    const fewest = fewestBoxes(relation);
    const { atLeast, boxes } = coverRelation(relation);
    assert.ok(atLeast <= fewest, `instance ${instance}: ${atLeast} > ${fewest}`);
    assert.ok(boxes.length >= fewest);
    if (boxes.length === fewest) optimal++;
    if (boxes.length === atLeast) certified++;
  }
  assert.ok(optimal >= instances * 0.99, `${optimal} optimal`);
  assert.ok(certified >= instances * 0.9, `${certified} certified`);
});

test('the order of the tuples does not matter', () => {
  const random = new Random(12);
  for (let instance = 0; instance < 100; instance++) {
    const relation = randomRelation(random, [4, 3, 4]);
    const list = tuplesOf(relation).map((text) => text.split(',').map(Number));
    const again = relationOf(relation.sizes, [...list.toReversed(), ...list]);
    assert.deepEqual(coverRelation(again), coverRelation(relation));
  }
});

test('equal slices make one box of a hundred thousand tuples at once', () => {
  const tuples: number[][] = [];
  for (let subject = 0; subject < 10; subject++) {
    for (let address = 0; address < 10_000; address++) tuples.push([subject, address % 7, address]);
  }
  const { atLeast, boxes } = coverRelation(relationOf([10, 7, 10_000], tuples));
  assert.equal(boxes.length, 7);
  assert.equal(atLeast, 7);
});
