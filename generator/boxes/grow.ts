import type { Grid, ValueBox } from './grid.ts';

/** A maximal box and the tuples in it, in order. */
export interface Candidate {
  box: ValueBox;
  tuples: readonly number[];
  /** Values named, over all axes. */
  size: number;
}

/**
 * Maximal boxes inside the relation: from every tuple, along its axes in up to `orders` different orders.
 * Each axis in turn takes every value with which the box stays inside. No box is listed twice.
 */
export function growBoxes(grid: Grid, orders: number): Candidate[] {
  const found = new Map<string, Candidate>();
  for (let tuple = 0; tuple < grid.count; tuple++) {
    const open: number[] = [];
    for (let axis = 0; axis < grid.axes; axis++) if (grid.line(tuple, axis).length > 1) open.push(axis);
    for (const order of permutations(open, orders)) {
      const box = growBox(grid, tuple, order);
      const key = box.map((values) => values.join()).join(';');
      if (found.has(key)) continue;
      const size = box.reduce((sum, values) => sum + values.length, 0);
      found.set(key, { box, tuples: grid.tuplesOf(box)!.sort((a, b) => a - b), size });
    }
  }
  return [...found.values()];
}

function growBox(grid: Grid, tuple: number, order: readonly number[]): ValueBox {
  const box: number[][] = [];
  for (let axis = 0; axis < grid.axes; axis++) box.push([grid.value(tuple, axis)]);
  for (const axis of order) {
    // With the box still one tuple wide on every other axis, the whole line fits.
    const line = grid.line(tuple, axis);
    const fits = box.every((values) => values.length === 1)
      ? [...line]
      : line.filter((value) => grid.tuplesOf(box.with(axis, [value])) !== undefined);
    box[axis] = fits;
  }
  return box;
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
