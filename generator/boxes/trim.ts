import type { Grid, ValueBox } from './grid.ts';

/**
 * The boxes without the values of which every tuple is in another box as well, so that no value can be taken
 * out of the result without losing a tuple.
 */
export function trim(grid: Grid, boxes: readonly ValueBox[]): ValueBox[] {
  const times = new Int32Array(grid.count);
  for (const box of boxes) for (const tuple of grid.tuplesOf(box)!) times[tuple]!++;
  const trimmed = [...boxes];
  // Later boxes hold fewer tuples of their own.
  for (let at = trimmed.length - 1; at >= 0; at--) {
    for (let axis = 0; axis < grid.axes; axis++) {
      for (const value of trimmed[at]![axis]!) {
        const values = trimmed[at]![axis]!;
        if (values.length === 1) break;
        const slice = grid.tuplesOf(trimmed[at]!.with(axis, [value]))!;
        if (slice.some((tuple) => times[tuple] === 1)) continue;
        for (const tuple of slice) times[tuple]!--;
        trimmed[at] = trimmed[at]!.with(
          axis,
          values.filter((each) => each !== value),
        );
      }
    }
  }
  return trimmed;
}
