import assert from 'node:assert/strict';
import test from 'node:test';
import type { Blocks } from '../../../../generator/prefixes/blocks.ts';
import { raise } from '../../../../generator/prefixes/floor.ts';
import { convexHull } from '../../../../generator/prefixes/hull.ts';
import { optimalCover } from '../../../../generator/prefixes/optimum.ts';
import { growForest, type FlooredBlocks } from '../../../../generator/prefixes/tree.ts';
import { Random } from '../random.ts';
import { leastBudget } from '../../../arbitrary/least-budget.ts';

/** An instance with addresses of `width` bits. */
interface Toy {
  width: number;
  observed: Set<number>;
  denied: Set<number>;
  widest: number;
}

/** Addresses of few bits at the top of a word, so that they have the lengths that they would have. */
function toyBlocks(addresses: Iterable<number>, width: number): Blocks {
  const sorted = [...addresses].sort((a, b) => a - b);
  return {
    words: Uint32Array.from(sorted, (address) => (address << (32 - width)) >>> 0),
    wordsEach: 1,
    length: new Uint8Array(sorted.length).fill(width),
    unit: width,
  };
}

function floored({ denied, observed, widest, width }: Toy): FlooredBlocks {
  const blocks = toyBlocks(observed, width);
  const floors = new Uint8Array(observed.size).fill(widest);
  raise(floors, blocks, toyBlocks(denied, width));
  return { blocks, floors };
}

/** Cheapest cover with exactly F prefixes for every F, over all prefixes there are: a walk of the whole trie. */
function bruteForce(toy: Toy, from = 0, length = 0): number[] {
  const size = 2 ** (toy.width - length);
  let observed = 0;
  let denied = 0;
  for (let address = from; address < from + size; address++) {
    if (toy.observed.has(address)) observed++;
    if (toy.denied.has(address)) denied++;
  }
  if (observed === 0) return [0];
  const costs: number[] = [Infinity, Infinity];
  if (length < toy.width) {
    const low = bruteForce(toy, from, length + 1);
    const high = bruteForce(toy, from + size / 2, length + 1);
    for (const [i, left] of low.entries()) {
      for (const [j, right] of high.entries()) {
        costs[i + j] = Math.min(costs[i + j] ?? Infinity, left + right);
      }
    }
  }
  if (denied === 0 && length >= toy.widest) costs[1] = Math.min(costs[1]!, size - observed);
  return costs;
}

function randomToy(random: Random, width: number): Toy {
  const space = 2 ** width;
  const toy: Toy = { width, observed: new Set(), denied: new Set(), widest: random.below(4) };
  const wanted = 1 + random.below(random.below(3) === 0 ? space / 2 : 12);
  for (let each = 0; each < wanted; each++) toy.observed.add(random.below(space));
  for (let each = random.below(6); each > 0; each--) {
    const address = random.below(space);
    if (!toy.observed.has(address)) toy.denied.add(address);
  }
  return toy;
}

test('the cover costs what an exhaustive search finds, for every budget, with denies and a widest prefix', () => {
  const random = new Random(1);
  let checks = 0;
  for (let instance = 0; instance < 10_000; instance++) {
    const toy = randomToy(random, 6 + (instance % 3));
    const forest = growForest([floored(toy)]);
    const truth = bruteForce(toy);
    let best = Infinity;
    for (let budget = 1; budget <= Math.min(toy.observed.size + 1, 24); budget++) {
      best = Math.min(best, truth[budget] ?? Infinity);
      const cover = optimalCover(forest, budget);
      assert.equal(cover?.cost ?? Infinity, best, `instance ${instance}, budget ${budget}`);
      assert.ok((cover?.nodes.length ?? 0) <= budget);
      checks++;
    }
    assert.equal(
      leastBudget(forest),
      truth.findIndex((cost) => cost < Infinity),
      `instance ${instance}`,
    );
  }
  assert.ok(checks > 50_000);
});

test('one budget over several sets is spent as an exhaustive search spends it', () => {
  const random = new Random(2);
  for (let instance = 0; instance < 1500; instance++) {
    const toys = Array.from({ length: 1 + random.below(4) }, () => randomToy(random, 6));
    const forest = growForest(toys.map(floored));
    let truth = [0];
    for (const toy of toys) {
      const costs = bruteForce(toy);
      const sums: number[] = [];
      for (const [i, left] of truth.entries()) {
        for (const [j, right] of costs.entries()) {
          sums[i + j] = Math.min(sums[i + j] ?? Infinity, left + right);
        }
      }
      truth = sums;
    }
    let best = Infinity;
    for (let budget = 1; budget < Math.min(truth.length, 24); budget++) {
      best = Math.min(best, truth[budget] ?? Infinity);
      assert.equal(optimalCover(forest, budget)?.cost ?? Infinity, best, `instance ${instance}`);
    }
  }
});

test('every corner of the hull is an optimum, and between corners the hull is below it', () => {
  const random = new Random(3);
  for (let instance = 0; instance < 500; instance++) {
    const toy = randomToy(random, 8);
    const forest = growForest([floored(toy)]);
    const hull = convexHull(forest);
    for (const { count, cost } of hull) assert.equal(optimalCover(forest, count)!.cost, cost);
    for (let budget = leastBudget(forest); budget <= toy.observed.size; budget++) {
      const right = hull.findIndex(({ count }) => count <= budget);
      const [low, high] = [hull[right]!, hull[right - 1] ?? hull[right]!];
      const share = high.count === low.count ? 0 : (budget - low.count) / (high.count - low.count);
      const bound = low.cost + (high.cost - low.cost) * share;
      assert.ok(optimalCover(forest, budget)!.cost >= bound - 1e-9, `instance ${instance}`);
    }
  }
});

test('the cover is an antichain that holds every observed address and no denied one', () => {
  const random = new Random(4);
  for (let instance = 0; instance < 2000; instance++) {
    const toy = randomToy(random, 8);
    const set = floored(toy);
    const forest = growForest([set]);
    const { cost, nodes } = optimalCover(forest, leastBudget(forest) + random.below(4))!;
    const held: number[] = [];
    for (const node of nodes) {
      const size = 2 ** (toy.width - forest.length[node]!);
      const first = set.blocks.words[forest.first[node]!]! >>> (32 - toy.width);
      const from = first - (first % size);
      for (let address = from; address < from + size; address++) held.push(address);
    }
    assert.equal(new Set(held).size, held.length);
    assert.equal(held.length - toy.observed.size, cost);
    for (const address of toy.observed) assert.ok(held.includes(address));
    for (const address of toy.denied) assert.ok(!held.includes(address));
  }
});
