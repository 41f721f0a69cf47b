import assert from 'node:assert/strict';
import test from 'node:test';
import { componentsOf } from '../../../../generator/boxes/component.ts';
import { coverRelation } from '../../../../generator/boxes/cover.ts';
import { Grid } from '../../../../generator/boxes/grid.ts';
import { growBoxes } from '../../../../generator/boxes/grow.ts';
import { mergeSlices } from '../../../../generator/boxes/reduce.ts';
import { selectCover } from '../../../../generator/boxes/select.ts';
import type { Relation } from '../../../../generator/boxes/relation.ts';
import { sharedServices, sizesOf } from '../../../arbitrary/shared-services.ts';
import { Random } from '../random.ts';
import { relationOf, tupleCount } from '../../../arbitrary/relation.ts';

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

/** Boxes as sets of cells: bit N stands for cell N of the grid, of which there are 30 at most. */
function allBoxes(sizes: readonly number[]): number[] {
  let boxes = [[0]];
  for (const size of sizes) {
    boxes = boxes.flatMap((codes) =>
      Array.from({ length: 2 ** size - 1 }, (_, subset) =>
        codes.flatMap((code) =>
          Array.from({ length: size }, (_each, value) => value)
            .filter((value) => ((subset + 1) >> value) & 1)
            .map((value) => code * size + value),
        ),
      ),
    );
  }
  return boxes.map((codes) => codes.reduce((bits, code) => bits | (1 << code), 0));
}

/** The fewest boxes of a grid of these sizes that are together `inside`, by trying all: of more and more boxes. */
function fewestBoxes(boxes: readonly number[], inside: number): number {
  const valid = boxes.filter((box) => (box & ~inside) === 0);
  const maximal = valid.filter((box) => !valid.some((other) => other !== box && (box & ~other) === 0));
  const search = (open: number, left: number): boolean => {
    if (open === 0) return true;
    if (left === 0) return false;
    const first = open & -open;
    return maximal.some((box) => (box & first) !== 0 && search(open & ~box, left - 1));
  };
  for (let count = 1; ; count++) if (search(inside, count)) return count;
}

/** The cells of a relation as bits. */
function bitsOf({ sizes, tuples }: Relation): number {
  let bits = 0;
  for (let at = 0; at < tuples.length; at += sizes.length) {
    bits |= 1 << sizes.reduce((code, size, axis) => code * size + tuples[at + axis]!, 0);
  }
  return bits;
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
  const shapes = [
    [2, 3, 3],
    [3, 3, 3],
    [2, 2, 2, 2],
    [3, 2, 2, 2],
    [5, 5],
    [4, 7],
  ].map((sizes) => ({ sizes, boxes: allBoxes(sizes) }));
  let optimal = 0;
  let certified = 0;
  const instances = 12_000;
  for (let instance = 0; instance < instances; instance++) {
    const { boxes: all, sizes } = shapes[instance % shapes.length]!;
    const relation = randomRelation(random, sizes);
    const fewest = fewestBoxes(all, bitsOf(relation));
    const { atLeast, boxes } = coverRelation(relation);
    assert.ok(atLeast <= fewest, `instance ${instance}: ${atLeast} > ${fewest}`);
    assert.ok(boxes.length >= fewest, `instance ${instance}: ${boxes.length} < ${fewest}`);
    if (boxes.length === fewest) optimal++;
    if (boxes.length === atLeast) certified++;
  }
  assert.ok(optimal >= instances * 0.99, `${optimal} optimal`);
  assert.ok(certified >= instances * 0.9, `${certified} certified`);
});

/** Values on the first axis beyond one a box, at best over all covers with as few boxes; each cell is a bit. */
function fewestShared(
  boxes: readonly { cells: number; width: number }[],
  inside: number,
  count: number,
): number {
  const valid = boxes.filter(({ cells: held }) => (held & ~inside) === 0);
  const search = (open: number, left: number, best: number): number => {
    if (open === 0) return 0;
    if (left === 0 || best < 0) return Infinity;
    const first = open & -open;
    let found = best;
    for (const { cells: held, width } of valid) {
      if ((held & first) === 0 || width > found) continue;
      found = Math.min(found, width + search(open & ~held, left - 1, found - width));
    }
    return found;
  };
  return search(inside, count, Infinity);
}

test('of covers with as few boxes, one is found in which few values of the first axis share a box', () => {
  const random = new Random(13);
  const sizes = [3, 4];
  const boxes = allBoxes(sizes).map((held) => ({
    cells: held,
    width: [0, 1, 2].filter((value) => (held & (0b1111 << (4 * value))) !== 0).length - 1,
  }));
  let best = 0;
  const instances = 1000;
  for (let instance = 0; instance < instances; instance++) {
    const relation = randomRelation(random, sizes);
    const cover = coverRelation(relation, 1);
    const shared = cover.boxes.reduce((sum, [values]) => sum + values!.length - 1, 0);
    const fewest = fewestShared(boxes, bitsOf(relation), cover.boxes.length);
    assert.ok(shared >= fewest, `instance ${instance}: ${shared} < ${fewest}`);
    assert.equal(cover.boxes.length, coverRelation(relation).boxes.length);
    if (shared === fewest) best++;
  }
  assert.ok(best >= instances * 0.95, `${best} of ${instances}`);
});

test('parts that no box connects need as many boxes one by one as together', () => {
  const random = new Random(14);
  let several = 0;
  for (let instance = 0; instance < 500; instance++) {
    const sizes = [3 + (instance % 4), 3, 4 + (instance % 3)];
    const tuples = sizes.reduce<number[][]>(
      (all, size) => all.flatMap((tuple) => Array.from({ length: size }, (_, value) => [...tuple, value])),
      [[]],
    );
    const relation = relationOf(sizes, [tuples[0]!, ...tuples.filter(() => random.below(4) === 0)]);
    const whole = mergeSlices(relation).relation;
    if (componentsOf(whole).length > 1) several++;
    const grid = new Grid(whole);
    assert.equal(coverRelation(relation).boxes.length, selectCover(growBoxes(grid, 24), grid.count).length);
  }
  assert.ok(several > 250, `${several} of several parts`);
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

test('the cover of a large part that nothing divides is exact, and has a bound near it', () => {
  const random = new Random(14);
  const scene = { containers: 60, services: 60, pool: 40, events: 27_000 };
  const relation = relationOf(
    sizesOf(scene),
    sharedServices(scene, () => random.next()),
  );
  assert.ok(tupleCount(relation) > 15_000);
  const { atLeast, boxes } = coverRelation(relation, 2);
  assert.deepEqual([...new Set(boxes.flatMap(cells))].sort(), tuplesOf(relation).sort());
  assert.ok(atLeast <= boxes.length);
  assert.ok(atLeast >= boxes.length * 0.9, `${boxes.length} boxes, no fewer than ${atLeast}`);
});

test('a relation with more combinations than a number can count is the same relation', () => {
  const tuples = [
    [5, 1, 7, 3],
    [0, 2, 7, 3],
    [5, 1, 7, 3],
    [0, 0, 999_999, 999_999],
  ];
  const small = relationOf([10, 10, 1_000_000, 1_000_000], tuples);
  const large = relationOf([1_000_000, 1_000_000, 1_000_000, 1_000_000], tuples);
  assert.deepEqual(tuplesOf(small), ['0,0,999999,999999', '0,2,7,3', '5,1,7,3']);
  assert.deepEqual(tuplesOf(large), tuplesOf(small));
});
