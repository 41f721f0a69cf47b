import type { RecordedObservation } from '../profiler/read/read.ts';
import { destinationAddress } from './subject/flow.ts';
import type { Demand } from './subject/select.ts';

/** How far the record of a subject is from covering all that it does. */
export type ReadinessState = 'learning' | 'stabilizing' | 'stable';

export interface Readiness {
  state: ReadinessState;
  /**
   * Share of the events of the last fifth of the window that the first four fifths did not foretell; if there
   * are any.
   */
  unseen?: number;
  /** The same, estimated with caution. */
  atMost: number;
}

/** Share of unforeseen events up to which a subject is stable, and stabilizing. */
const STABLE = 0.01;
const STABILIZING = 0.1;

/** As of how many last tenths of the window a subject must have been stable. */
const AGREEING = 3;

/** The readiness of every subject, by its key. */
export function readinessOf(demands: readonly Demand[]): Map<string, Readiness> {
  return new Map(
    demands.map(({ subject, observations }) => [subject.key, judgeBlocks(blocksByPlace(observations))]),
  );
}

/**
 * Connections come in bursts, so the share of events seen once (Good-Turing) is below the truth in two of
 * three cases on real logs. The point estimate is prequential: what the last fifth would have been denied.
 * The cautious one is the larger of that and Good-Turing over time blocks (events of places that were seen in
 * one tenth of the window only), or the mean of this as of each of the last three tenths where that is
 * larger. `npm run bench:generate` says how often it covers the truth, how far it is from it, and how other
 * rules do. Whether a subject is stable is asked of all three, not of the mean.
 */
export function judgeBlocks(places: readonly (readonly number[])[]): Readiness {
  const [now, ...before] = cautiousEstimates(places);
  const all = [now!, ...before];
  const mean = all.reduce((sum, each) => sum + each, 0) / all.length;
  const { unseen } = estimate(places, places[0]?.length ?? 0);
  const worst = Math.max(...all);
  const state = worst <= STABLE ? 'stable' : now! <= STABILIZING ? 'stabilizing' : 'learning';
  return { state, atMost: Math.max(now!, mean), ...(unseen === undefined ? {} : { unseen }) };
}

/** The larger of both estimates as of the end of the window and of the tenths before it, the latest first. */
export function cautiousEstimates(places: readonly (readonly number[])[]): number[] {
  const blocks = places[0]?.length ?? 0;
  return Array.from({ length: AGREEING }, (_, tenths) => estimate(places, blocks - tenths).atMost);
}

/** Both estimates from the first `end` blocks of the window. */
function estimate(places: readonly (readonly number[])[], end: number): { unseen?: number; atMost: number } {
  const cut = Math.floor(end * 0.8);
  let events = 0;
  let inOneBlock = 0;
  let late = 0;
  let unforeseen = 0;
  for (const blocks of places) {
    let [early, tail, used] = [0, 0, 0];
    for (let block = 0; block < end; block++) {
      const count = blocks[block]!;
      if (count > 0) used++;
      if (block < cut) early += count;
      else tail += count;
    }
    events += early + tail;
    late += tail;
    if (used === 1) inOneBlock += early + tail;
    if (early === 0) unforeseen += tail;
  }
  // Nothing seen is nothing known.
  const goodTuring = events === 0 ? 1 : inOneBlock / events;
  if (late === 0) return { atMost: goodTuring };
  return { unseen: unforeseen / late, atMost: Math.max(goodTuring, unforeseen / late) };
}

/** Events in each tenth of the window for each place that a rule tells from others. */
export function blocksByPlace(observations: readonly RecordedObservation[]): number[][] {
  const places = new Map<string, number[]>();
  for (const observation of observations) {
    const { family, value } = destinationAddress(observation);
    const place = observation.name ?? `${family} ${value}`;
    const key = `${place} ${observation.port} ${observation.protocol} ${observation.socket ?? ''}`;
    const sum = places.get(key);
    if (sum === undefined) places.set(key, [...observation.blocks]);
    else for (const [block, count] of observation.blocks.entries()) sum[block]! += count;
  }
  return [...places.values()];
}
