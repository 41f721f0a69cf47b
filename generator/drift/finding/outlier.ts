import { type HostSet, placesIn } from '../../fleet/host-set.ts';

/** A host that showed far more than others of what no other host showed. */
export interface OutlierHost {
  /** As rules name it. */
  host: string;
  /** Keys (subject and destination) that it alone showed, and all that it showed. */
  alone: number;
  shown: number;
  /** The share of the first in the second of the median host. */
  usual: number;
}

/** Of a share: how many median deviations from the median are too far. */
const FAR = 5;
/** A share that is less above the median is no matter. */
const LEAST_ABOVE = 0.05;
/** Fewer keys of its own make no outlier. */
const LEAST_ALONE = 3;
/** With fewer hosts nothing is usual. */
const LEAST_HOSTS = 5;

/**
 * The hosts whose share of keys that no other host showed is above the median by more than five times the median
 * deviation from it, and by more than 5 %, the farthest first. `keys`: the hosts of each key; `names`: those of hosts by their places.
 */
export function outlierHosts(keys: readonly HostSet[], names: readonly string[]): OutlierHost[] {
  if (names.length < LEAST_HOSTS) return [];
  const shown = names.map(() => 0);
  const alone = names.map(() => 0);
  for (const set of keys) {
    const places = placesIn(set);
    for (const place of places) shown[place]!++;
    if (places.length === 1) alone[places[0]!]!++;
  }
  const shares = names.map((_, place) => (shown[place] === 0 ? 0 : alone[place]! / shown[place]!));
  const usual = medianOf(shares);
  const deviation = medianOf(shares.map((share) => Math.abs(share - usual)));
  const far = usual + Math.max(LEAST_ABOVE, FAR * deviation);
  return names
    .map((host, place) => ({ host, alone: alone[place]!, shown: shown[place]!, usual }))
    .filter((each, place) => each.alone >= LEAST_ALONE && shares[place]! > far)
    .sort((a, b) => b.alone / b.shown - a.alone / a.shown || b.alone - a.alone || (a.host < b.host ? -1 : 1));
}

/** Of an even number of values the mean of the two in the middle. */
function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}
