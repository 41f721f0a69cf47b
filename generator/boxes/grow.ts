import type { Grid, Tuples, ValueBox } from './grid.ts';

/** A maximal box and the tuples in it, in order. */
export interface Candidate {
  box: ValueBox;
  tuples: Int32Array;
  /** Values named, over all axes. */
  size: number;
}

/**
 * Maximal boxes inside the relation: from every line, along the other axes in up to `orders` different
 * orders. Each axis in turn takes every value with which the box stays inside. No box is listed twice.
 */
export function growBoxes(grid: Grid, orders: number): Candidate[] {
  const found = new CandidateSet();
  /** By the axes on which a tuple has a line, as bits: how boxes grow from it. */
  const ways: (readonly (readonly number[][])[])[] = [];
  for (let tuple = 0; tuple < grid.count; tuple++) {
    let open = 0;
    for (let axis = 0; axis < grid.axes; axis++) if (grid.lineLength(tuple, axis) > 1) open |= 1 << axis;
    if (open === 0) found.add(grow(grid, tuple, []));
    const byFirst = (ways[open] ??= ordersOf(axesIn(open), orders));
    for (let at = 0; at < byFirst.length; at++) {
      const first = byFirst[at]!;
      // What a line grows to is the same from each of its tuples.
      if (!grid.beginsLine(tuple, first[0]![0]!)) continue;
      for (const order of first) found.add(grow(grid, tuple, order));
    }
  }
  return found.candidates;
}

/** The axes that are set as bits. */
function axesIn(bits: number): number[] {
  const axes: number[] = [];
  for (let axis = 0; bits >> axis > 0; axis++) if ((bits >> axis) & 1) axes.push(axis);
  return axes;
}

/** For each of the axes the orders that begin with it. */
function ordersOf(open: readonly number[], orders: number): number[][][] {
  const limit = Math.max(1, Math.floor(orders / open.length));
  return open.map((first) => {
    const others = open.filter((axis) => axis !== first);
    return permutations(others, limit).map((order) => [first].concat(order));
  });
}

interface Grown {
  box: number[][];
  tuples: Tuples;
}

function grow(grid: Grid, tuple: number, order: readonly number[]): Grown {
  const box: number[][] = [];
  for (let axis = 0; axis < grid.axes; axis++) box.push([grid.value(tuple, axis)]);
  let tuples: Tuples = Int32Array.of(tuple);
  for (const axis of order) {
    const fits = grid.commonValues(tuples, axis);
    if (fits.length === 1) continue;
    box[axis] = fits;
    tuples = tuples.length === 1 ? grid.line(tuple, axis) : grid.spread(tuples, axis, fits)!;
  }
  return { box, tuples };
}

/** Boxes without repeats, in the order in which they came. */
class CandidateSet {
  readonly candidates: Candidate[] = [];
  /** By the first tuple of each. */
  readonly #known = new Map<number, Candidate[]>();

  add({ box, tuples }: Grown): void {
    let first = tuples[0]!;
    for (const tuple of tuples) if (tuple < first) first = tuple;
    const alike = this.#known.get(first);
    if (alike?.some((other) => equalBoxes(other.box, box))) return;
    const sorted = tuples.slice().sort();
    const size = box.reduce((sum, values) => sum + values.length, 0);
    const candidate = { box, tuples: sorted, size };
    this.candidates.push(candidate);
    if (alike === undefined) this.#known.set(first, [candidate]);
    else alike.push(candidate);
  }
}

function equalBoxes(a: ValueBox, b: ValueBox): boolean {
  return a.every((values, axis) => {
    const others = b[axis]!;
    return values.length === others.length && values.every((value, at) => value === others[at]);
  });
}

/** The first `limit` orders of the items, in lexicographic order of their places. */
function permutations(items: readonly number[], limit: number): number[][] {
  if (items.length === 0) return [[]];
  const result: number[][] = [];
  for (const [at, item] of items.entries()) {
    const share = Math.max(1, Math.ceil((limit * (at + 1)) / items.length) - result.length);
    for (const rest of permutations(items.toSpliced(at, 1), share)) result.push([item, ...rest]);
  }
  return result.slice(0, Math.max(1, limit));
}
