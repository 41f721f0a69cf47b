import { Ranking } from './ranking.ts';
import type { PrefixForest } from './tree.ts';

/** A cover: how many prefixes, and how many unobserved units they hold. */
export interface CurvePoint {
  count: number;
  cost: number;
}

/**
 * The lower convex hull of the cost over the number of prefixes, from the most prefixes to the fewest. Every
 * point is an optimal cover, and the line between two neighbours bounds the cost between them from below.
 * Weakest-link pruning: the covers that minimise cost + price x count are nested, so the node that saves
 * prefixes at the least cost each is made a prefix first (minimal cost-complexity pruning: Breiman, Friedman,
 * Olshen, Stone, CART, 1984). O(N log N).
 */
export function convexHull(forest: PrefixForest): CurvePoint[] {
  const { gap, left, right } = forest;
  if (gap.length === 0) return [{ count: 0, cost: 0 }];
  const parent = new Int32Array(gap.length).fill(-1);
  const count = new Int32Array(gap.length);
  const cost = new Float64Array(gap.length);
  const links = new Ranking(gap.length);
  const weakness = (node: number) => (gap[node]! - cost[node]!) / (count[node]! - 1);
  for (let node = 0; node < gap.length; node++) {
    if (gap[node] === 0) {
      if (left[node]! >= 0) removeBelow(node);
      count[node] = 1;
      continue;
    }
    const [l, r] = [left[node]!, right[node]!];
    parent[l] = node;
    parent[r] = node;
    count[node] = count[l]! + count[r]!;
    cost[node] = cost[l]! + cost[r]!;
    if (gap[node]! < Infinity) links.set(node, weakness(node));
  }

  /** A subtree whose root is a prefix has no links. */
  function removeBelow(root: number): void {
    const open = [left[root]!, right[root]!];
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      if (count[node] === 1) continue;
      links.remove(node);
      open.push(left[node]!, right[node]!);
    }
  }

  const root = gap.length - 1;
  const points: CurvePoint[] = [{ count: count[root]!, cost: cost[root]! }];
  for (let node = links.take(); node !== undefined; node = links.take()) {
    removeBelow(node);
    const fewer = count[node]! - 1;
    const more = gap[node]! - cost[node]!;
    for (let at = node; at >= 0; at = parent[at]!) {
      count[at]! -= fewer;
      cost[at]! += more;
      if (links.has(at)) links.set(at, weakness(at));
    }
    addPoint(points, { count: count[root]!, cost: cost[root]! });
  }
  return points;
}

/** Points on the line between two others are no corners. */
function addPoint(points: CurvePoint[], next: CurvePoint): void {
  while (points.length > 1) {
    const [before, last] = points.slice(-2) as [CurvePoint, CurvePoint];
    const straight =
      (last.cost - before.cost) * (before.count - next.count) >=
      (next.cost - before.cost) * (before.count - last.count);
    if (!straight) break;
    points.pop();
  }
  points.push(next);
}
