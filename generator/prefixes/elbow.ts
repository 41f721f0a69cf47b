import type { CurvePoint } from './hull.ts';

/**
 * The point of a curve from which more prefixes buy little: the one farthest below the straight line between
 * the ends, with the logarithm of what is allowed over the number of prefixes (Satopää et al., "Finding a
 * Kneedle in a Haystack", 2011). Most of what it allows was observed: where observed addresses have no
 * neighbours the farthest point allows thousands of times as much, and on later traffic of real hosts that
 * bought nothing, nor did a point with as many unobserved addresses as observed ones. `points` run from most prefixes to fewest; `observed` is the number of
 * observed units.
 */
export function elbowOf(points: readonly CurvePoint[], observed: number): CurvePoint {
  const most = points[0]!;
  const fewest = points.at(-1)!;
  const height = (point: CurvePoint) => Math.log2(point.cost + observed);
  const slope = (height(most) - height(fewest)) / Math.max(1, most.count - fewest.count);
  let elbow = most;
  let deepest = 0;
  for (const point of points) {
    if (point.cost >= observed) break;
    const line = height(fewest) + slope * (point.count - fewest.count);
    const depth = line - height(point);
    if (depth > deepest) {
      deepest = depth;
      elbow = point;
    }
  }
  return elbow;
}
