import type { Grid, ValueBox } from './grid.ts';

/**
 * As many boxes for the same tuples, with fewer values on the first `axes` axes in each: a box gives up such
 * a value where others hold its tuples, or can take them without a new value on these axes. Rules for one
 * subject each are easier to decide on than those for several.
 */
export function separate(grid: Grid, boxes: readonly ValueBox[], axes: number): ValueBox[] {
  const cover: Cover = {
    boxes: [...boxes],
    corners: Int32Array.from(boxes, (box) => grid.cornerOf(box)),
    times: new Int32Array(grid.count),
    bySubject: new Map(),
    changes: 0,
    tried: new Int32Array(boxes.length).fill(-1),
  };
  for (const [at, box] of boxes.entries()) {
    for (const tuple of grid.tuplesFrom(cover.corners[at]!, box)!) cover.times[tuple]!++;
    file(cover, at, axes);
  }
  for (let changed = true; changed;) {
    changed = false;
    for (const at of byWidth(cover.boxes, axes)) {
      // What failed before fails again where nothing has changed since.
      if (cover.tried[at] === cover.changes) continue;
      cover.tried[at] = cover.changes;
      for (let axis = 0; axis < axes; axis++) {
        if (narrow(grid, cover, { at, axis, axes })) changed = true;
      }
    }
  }
  return cover.boxes;
}

/**
 * Takes every value from an axis of the box `at` that it can do without, but one. Returns whether there was
 * any.
 */
function narrow(grid: Grid, cover: Cover, { at, axes, axis }: Omit<Slice, 'value'>): boolean {
  let changed = false;
  for (const value of cover.boxes[at]![axis]!) {
    if (cover.boxes[at]![axis]!.length === 1) break;
    if (giveUp(grid, cover, { at, axis, value, axes })) changed = true;
  }
  return changed;
}

/** Boxes, and how many of them hold each tuple. */
interface Cover {
  boxes: ValueBox[];
  /** A tuple of each box. */
  corners: Int32Array;
  times: Int32Array;
  /** The boxes with the same values on the first axes, in order. */
  bySubject: Map<string, number[]>;
  /** How often a box was changed, and for each how often that was before its values were tried last. */
  changes: number;
  tried: Int32Array;
}

function subjectOf(box: ValueBox, axes: number): string {
  return box
    .slice(0, axes)
    .map((values) => values.join())
    .join(';');
}

/** Puts the box into the list of its subject. Most come in order. */
function file({ boxes, bySubject }: Cover, at: number, axes: number): void {
  const subject = subjectOf(boxes[at]!, axes);
  const list = bySubject.get(subject);
  if (list === undefined) {
    bySubject.set(subject, [at]);
    return;
  }
  let place = list.length;
  while (place > 0 && list[place - 1]! > at) place--;
  list.splice(place, 0, at);
}

/** Takes the box out of that list. */
function unfile({ boxes, bySubject }: Cover, at: number, axes: number): void {
  const list = bySubject.get(subjectOf(boxes[at]!, axes))!;
  list.splice(list.indexOf(at), 1);
}

/** A value of an axis of the box `at`; subjects are on the first `axes` axes. */
interface Slice {
  at: number;
  axis: number;
  value: number;
  axes: number;
}

/** Takes the slice out of its box. Returns whether that leaves every tuple in a box. */
function giveUp(grid: Grid, cover: Cover, { at, axes, axis, value }: Slice): boolean {
  const { boxes, corners, times } = cover;
  const box = boxes[at]!;
  const slice = box.with(axis, [value]);
  const corner = grid.step(corners[at]!, axis, value);
  const tuples = grid.tuplesFrom(corner, slice)!;
  const isNeeded = tuples.some((tuple) => times[tuple] === 1);
  if (isNeeded && !takeOver(grid, cover, { slice, corner }, { at, axes })) return false;
  cover.changes++;
  for (const tuple of tuples) times[tuple]!--;
  unfile(cover, at, axes);
  boxes[at] = box.with(
    axis,
    box[axis]!.filter((each) => each !== value),
  );
  corners[at] = grid.cornerOf(boxes[at]);
  file(cover, at, axes);
  return true;
}

/**
 * Widens another box, but not on the first axes, to hold a slice of the box `at`. Returns whether one could.
 */
function takeOver(
  grid: Grid,
  { boxes, bySubject, corners, times }: Cover,
  { corner, slice }: { slice: ValueBox; corner: number },
  { at, axes }: Pick<Slice, 'at' | 'axes'>,
): boolean {
  // The subjects of the slice must be those of the box, or the box would give it to others too.
  for (const other of bySubject.get(subjectOf(slice, axes)) ?? []) {
    if (other === at) continue;
    // Most fail here, at a fraction of what the whole box costs to look at.
    if (!grid.compatible(corner, corners[other]!)) continue;
    const box = boxes[other]!;
    const wider = box.map((values, axis) => (axis < axes ? values : join(values, slice[axis]!)));
    const tuples = grid.tuplesOf(wider);
    if (tuples === undefined) continue;
    for (const tuple of grid.tuplesFrom(corners[other]!, box)!) times[tuple]!--;
    for (const tuple of tuples) times[tuple]!++;
    boxes[other] = wider;
    corners[other] = grid.cornerOf(wider);
    return true;
  }
  return false;
}

/** The indices of the boxes with several subjects, those with most first. */
function byWidth(boxes: readonly ValueBox[], axes: number): number[] {
  const width = boxes.map((box) => {
    let product = 1;
    for (let axis = 0; axis < axes; axis++) product *= box[axis]!.length;
    return product;
  });
  const wide = [...boxes.keys()].filter((at) => width[at]! > 1);
  return wide.sort((a, b) => width[b]! - width[a]! || b - a);
}

function join(values: readonly number[], others: readonly number[]): number[] {
  return [...new Set([...values, ...others])].sort((a, b) => a - b);
}
