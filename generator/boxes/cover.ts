import { componentsOf } from './component.ts';
import { foolingSet } from './fooling.ts';
import { compact, Grid, type ValueBox } from './grid.ts';
import { growBoxes } from './grow.ts';
import { mergeSlices } from './reduce.ts';
import type { Relation } from './relation.ts';
import { selectCover } from './select.ts';
import { separate } from './separate.ts';
import { trim } from './trim.ts';

/** Boxes that together are exactly a relation. */
export interface BoxCover {
  boxes: ValueBox[];
  /** No cover has fewer boxes than this. */
  atLeast: number;
}

/** How many orders of axes a box may grow along, from each tuple. */
const ORDERS = 24;

/** Above this many tuples that no merging could join, each line grows in one order only. */
const LARGE = 2000;

/**
 * Few boxes that cover the relation and nothing else: equal slices are merged, parts that no box connects are
 * covered one by one with maximal boxes, and values that other boxes hold as well are dropped. With the bound
 * of a fooling set; where it equals the number of boxes, no smaller cover exists. Where as few boxes do, the
 * first `apart` axes have few values in each.
 */
export function coverRelation(relation: Relation, apart = 0): BoxCover {
  const { relation: reduced, classes } = mergeSlices(relation);
  const result: BoxCover = { boxes: [], atLeast: 0 };
  for (const { relation: part, values } of partsOf(reduced)) {
    const { atLeast, boxes } = coverPart(part, apart);
    result.atLeast += atLeast;
    for (const box of boxes) {
      result.boxes.push(box.map((list, axis) => originals(list, classes[axis]!, values?.[axis])));
    }
  }
  return result;
}

/** What the values of a part stand for, in order. */
function originals(
  list: readonly number[],
  classes: readonly (readonly number[])[],
  values: readonly number[] | undefined,
): number[] {
  const found: number[] = [];
  let inOrder = true;
  for (const value of list) {
    for (const original of classes[values ? values[value]! : value]!) {
      inOrder &&= found.length === 0 || found[found.length - 1]! < original;
      found.push(original);
    }
  }
  return inOrder ? found : found.sort((a, b) => a - b);
}

/** The parts of a relation that no box connects, with what their values are in the whole where those are others. */
function partsOf(relation: Relation): { relation: Relation; values?: number[][] }[] {
  const components = componentsOf(relation);
  if (components.length === 1 && hasEveryValue(relation)) return [{ relation }];
  return compact(relation, components);
}

/** Whether each value of each axis is in some tuple. */
function hasEveryValue({ sizes, tuples }: Relation): boolean {
  return sizes.every((size, axis) => {
    const seen = new Uint8Array(size);
    for (let at = axis; at < tuples.length; at += sizes.length) seen[tuples[at]!] = 1;
    return !seen.includes(0);
  });
}

function coverPart(relation: Relation, apart: number): BoxCover {
  if (relation.tuples.length === relation.sizes.length) {
    return { boxes: [relation.sizes.map(() => [0])], atLeast: 1 };
  }
  const grid = new Grid(relation);
  const candidates = growBoxes(grid, grid.count > LARGE ? relation.sizes.length : ORDERS);
  const chosen = selectCover(candidates, grid.count).map(({ box }) => box);
  const boxes = trim(grid, separate(grid, chosen, apart));
  return { boxes, atLeast: foolingSet(grid, boxes).length };
}
