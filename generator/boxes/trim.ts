import type { Grid, ValueBox } from './grid.ts';

/**
 * The boxes without the values of which every tuple is in another box as well, so that no value can be taken
 * out of the result without losing a tuple.
 */
export function trim(grid: Grid, boxes: readonly ValueBox[]): ValueBox[] {
  const held = boxes.map((box) => grid.tuplesOf(box)!);
  const times = new Int32Array(grid.count);
  for (const tuples of held) for (const tuple of tuples) times[tuple]!++;
  /** For each value of each axis the last box that is alone in holding a tuple with it. */
  const needed = grid.sizes.map((size) => new Int32Array(size).fill(-1));
  const trimmed = [...boxes];
  // Later boxes hold fewer tuples of their own.
  for (let at = trimmed.length - 1; at >= 0; at--) {
    const box = trimmed[at]!;
    // What is taken out leaves the tuples of the other values as they are.
    for (const tuple of held[at]!) {
      if (times[tuple] !== 1) continue;
      for (let axis = 0; axis < grid.axes; axis++) needed[axis]![grid.value(tuple, axis)] = at;
    }
    const left = box.map((values, axis) => withoutSpare(values, (value) => needed[axis]![value] === at));
    if (left.every((values, axis) => values === box[axis])) continue;
    trimmed[at] = left;
    for (const tuple of held[at]!) times[tuple]!--;
    for (const tuple of grid.tuplesOf(left)!) times[tuple]!++;
  }
  return trimmed;
}

/** The values that are needed, in order, and of the others the last one where there would be none. */
function withoutSpare(values: readonly number[], isNeeded: (value: number) => boolean): readonly number[] {
  if (values.every(isNeeded)) return values;
  const needed = values.filter(isNeeded);
  return needed.length > 0 ? needed : values.slice(-1);
}
