import type { Grid, ValueBox } from './grid.ts';
import { Holders } from './holders.ts';
import { byKey } from './relation.ts';

/** Above this many tuples not every pair of them is looked at. */
const ALL_PAIRS = 2000;

/** How many comparisons a large relation pays for each of its tuples at most, on average. */
const COMPARISONS = 100;

/**
 * A fooling set: tuples of which no two are in one box of the relation. Every cover needs a box for each, so
 * the number of them bounds every cover from below. `cover`: boxes that hold all; where there are many tuples
 * they lead to some that are far apart.
 */
export function foolingSet(grid: Grid, cover: readonly ValueBox[]): number[] {
  return grid.count <= ALL_PAIRS ? pairwise(grid) : scattered(grid, cover);
}

/**
 * What one box of the cover alone holds first, and tuples with short lines first: each that is in no box with
 * one taken before. Any part of a fooling set is one, so the search may end where it costs too much.
 */
function scattered(grid: Grid, cover: readonly ValueBox[]): number[] {
  const boxes = cover.map((box) => ({ tuples: grid.tuplesOf(box)! }));
  const holders = new Holders(boxes, grid.count);
  const closed = new Uint8Array(grid.count);
  const taken = new Taken(grid);
  const chosen: number[] = [];
  let effort = 0;
  for (const tuple of inOrder(grid, holders)) {
    if (closed[tuple] === 1) continue;
    const near = taken.neighbours(tuple);
    effort += near.length;
    if (effort > COMPARISONS * grid.count) break;
    if (near.some((other) => grid.compatible(tuple, other))) continue;
    chosen.push(tuple);
    // Of a box one tuple at most can be taken.
    for (let at = holders.start[tuple]!; at < holders.start[tuple + 1]!; at++) {
      for (const other of boxes[holders.list[at]!]!.tuples) closed[other] = 1;
    }
    taken.add(tuple);
  }
  return chosen.sort((a, b) => a - b);
}

/** The tuples that one box alone holds, then the others; of each those with the least reach first. */
function inOrder(grid: Grid, holders: Holders): Int32Array {
  const reach = new Float64Array(grid.count);
  for (let tuple = 0; tuple < grid.count; tuple++) reach[tuple] = reachOf(grid, tuple);
  const rank = new Map<number, number>();
  let last = -1;
  for (const each of reach.slice().sort()) if (each !== last) rank.set((last = each), rank.size);
  const keys = new Int32Array(grid.count);
  for (let tuple = 0; tuple < grid.count; tuple++) {
    const shared = holders.times(tuple) > 1 ? rank.size : 0;
    keys[tuple] = shared + rank.get(reach[tuple]!)!;
  }
  return byKey(keys, 2 * rank.size).items;
}

/** The tuples with values of the tuple's lines, at most. */
function reachOf(grid: Grid, tuple: number): number {
  let reach = 1;
  for (let axis = 0; axis < grid.axes; axis++) reach *= grid.lineLength(tuple, axis);
  return reach;
}

/** The tuples that were taken, by their values. */
class Taken {
  readonly #grid: Grid;
  /** For each axis, those with each value. */
  readonly #byValue: number[][][];

  constructor(grid: Grid) {
    this.#grid = grid;
    this.#byValue = grid.sizes.map((size) => Array.from({ length: size }, () => []));
  }

  add(tuple: number): void {
    for (const [axis, lists] of this.#byValue.entries()) lists[this.#grid.value(tuple, axis)]!.push(tuple);
  }

  /** Those that can share a box with this one: on each axis they have a value of its line. */
  neighbours(tuple: number): number[] {
    let best = 0;
    let least = Infinity;
    for (let axis = 0; axis < this.#byValue.length && least > 0; axis++) {
      const lists = this.#byValue[axis]!;
      let sum = 0;
      const values = this.#grid.lineValues(tuple, axis);
      // Most axes have more than the least one long before their end.
      for (let at = 0; at < values.length && sum < least; at++) sum += lists[values[at]!]!.length;
      if (sum < least) [best, least] = [axis, sum];
    }
    const near: number[] = [];
    if (least === 0) return near;
    for (const value of this.#grid.lineValues(tuple, best)) {
      for (const other of this.#byValue[best]![value]!) near.push(other);
    }
    return near;
  }
}

/** Greedy, those with the fewest companions first, then improved by exchanging one tuple for two. */
function pairwise(grid: Grid): number[] {
  const { count } = grid;
  const companions: number[][] = Array.from({ length: count }, () => []);
  for (let a = 0; a < count; a++) {
    for (let b = a + 1; b < count; b++) {
      if (!grid.compatible(a, b)) continue;
      companions[a]!.push(b);
      companions[b]!.push(a);
    }
  }
  const chosen = greedy(companions);
  improve(companions, chosen);
  return [...chosen].sort((a, b) => a - b);
}

/** Takes the tuple with the fewest companions that are still open, and closes those. */
function greedy(companions: readonly number[][]): Set<number> {
  const degree = companions.map((list) => list.length);
  const open = new Set(degree.keys());
  const chosen = new Set<number>();
  while (open.size > 0) {
    let next = -1;
    for (const tuple of open) if (next < 0 || degree[tuple]! < degree[next]!) next = tuple;
    chosen.add(next);
    for (const closed of [next, ...companions[next]!]) {
      if (!open.delete(closed)) continue;
      for (const other of companions[closed]!) degree[other]!--;
    }
  }
  return chosen;
}

/** While two tuples can take the place of one, they do. */
function improve(companions: readonly number[][], chosen: Set<number>): void {
  const blockers = companions.map((list) => list.filter((tuple) => chosen.has(tuple)).length);
  const toggle = (tuple: number, step: 1 | -1) => {
    if (step > 0) chosen.add(tuple);
    else chosen.delete(tuple);
    for (const other of companions[tuple]!) blockers[other]! += step;
  };
  for (let improved = true; improved;) {
    improved = false;
    for (const tuple of chosen) {
      const freed = companions[tuple]!.filter((other) => blockers[other] === 1);
      const pair = independentPair(companions, freed);
      if (pair === undefined) continue;
      toggle(tuple, -1);
      for (const other of pair) toggle(other, 1);
      improved = true;
      break;
    }
  }
}

function independentPair(companions: readonly number[][], tuples: readonly number[]): number[] | undefined {
  for (const [at, a] of tuples.entries()) {
    const near = new Set(companions[a]);
    const b = tuples.slice(at + 1).find((other) => !near.has(other));
    if (b !== undefined) return [a, b];
  }
  return undefined;
}
