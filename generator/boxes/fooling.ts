import type { Grid } from './grid.ts';

/**
 * A fooling set: tuples of which no two are in one box of the relation. Every cover needs a box for each, so
 * the number of them bounds every cover from below. Greedy, those with the fewest companions first, then
 * improved by exchanging one tuple for two.
 */
export function foolingSet(grid: Grid): number[] {
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
