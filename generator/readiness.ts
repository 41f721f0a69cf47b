import type { RecordedObservation } from '../profiler/read/read.ts';
import type { Demand } from './subject/select.ts';
import { DestinationNumbers } from './destination/destination-numbers.ts';

/** How far the record of a subject is from covering all that it does. */
export type ReadinessState = 'learning' | 'stabilizing' | 'stable';

export interface Readiness {
  state: ReadinessState;
  /** Share of the events of the last fifth that the first four fifths did not foretell; if there are any. */
  unseen?: number;
  /** The same for what comes next, estimated with caution. */
  atMost: number;
}

/** Share of unforeseen events up to which a subject is stable, and stabilizing. */
const STABLE = 0.01;
const STABILIZING = 0.1;

/** Seconds for which a subject must have been seen to be stable, unless another time is asked for. */
export const LEAST_SPAN = 3600;

/** How long a subject must have been seen where traffic is to be seen for so many seconds in all. */
export function leastSpan(atLeast: number): number {
  return Math.min(LEAST_SPAN, atLeast);
}

/** Behind which tenths what came after is compared with what came before. */
const CUTS = [5, 6, 7, 8];

/** Of how many of these, the worst ones, the mean is taken. */
const WORST = 3;

/** The one of the point estimate. */
const LAST_CUT = 8;

/** Of n events that were foretold, none of 3/n is beyond what chance explains, in 19 of 20 cases. */
const RULE_OF_THREE = 3;

/** The readiness of every subject, by its key. */
export function readinessOf(demands: readonly Demand[]): Map<string, Readiness> {
  return new Map(
    demands.map(({ subject, observations }) => [
      subject.key,
      judgeBlocks(blocksByPlace(observations), { seconds: spanOf(observations), atLeast: LEAST_SPAN }),
    ]),
  );
}

/** Seconds from the first to the last event. */
export function spanOf(observations: readonly RecordedObservation[]): number {
  const first = observations.reduce((least, each) => Math.min(least, each.first), Infinity);
  const last = observations.reduce((most, each) => Math.max(most, each.last), -Infinity);
  return Math.max(0, last - first) / 1e6;
}

/**
 * What comes next, by the events of each place in ten parts that hold about equal numbers of the record's events. The
 * point estimate is what the last fifth would have been denied. Connections come in bursts, so that is below the truth
 * half of the time, and so is the share of events seen once (Good-Turing). The cautious one is `cautiousEstimate`. A
 * subject is stable when the worst of what that is made of is small, and it was seen for long enough.
 */
export function judgeBlocks(
  places: readonly (readonly number[])[],
  { atLeast, seconds }: { seconds: number; atLeast: number },
): Readiness {
  const atMost = cautiousEstimate(places);
  const unseen = unforeseen(places, LAST_CUT);
  const stable = worstEstimate(places) <= STABLE && seconds >= atLeast;
  const state = stable ? 'stable' : atMost <= STABILIZING ? 'stabilizing' : 'learning';
  return { state, atMost, ...(unseen === undefined ? {} : { unseen }) };
}

/**
 * The largest of the share of events at places that were seen in one part alone, of what the last fifth would have been
 * denied, and of the mean of that behind the worst three of four points; and what so few events cannot exclude. `npm run
 * bench:generate` says how often this covers the truth, how far it is from it, and how other rules do.
 */
export function cautiousEstimate(places: readonly (readonly number[])[]): number {
  const behind = CUTS.flatMap((cut) => unforeseen(places, cut) ?? []);
  const bad = behind.toSorted((a, b) => b - a).slice(0, WORST);
  const mean = total(bad) / Math.max(1, bad.length);
  return largest(places, [unforeseen(places, LAST_CUT) ?? 0, mean]);
}

/** The same with the largest share behind any of the points. */
export function worstEstimate(places: readonly (readonly number[])[]): number {
  return largest(
    places,
    CUTS.flatMap((cut) => unforeseen(places, cut) ?? []),
  );
}

/** The largest of these shares and Good-Turing's, and what so few events cannot exclude. */
function largest(places: readonly (readonly number[])[], shares: readonly number[]): number {
  const events = places.reduce((sum, blocks) => sum + total(blocks), 0);
  // Nothing seen is nothing known.
  if (events === 0) return 1;
  return Math.min(1, Math.max(inOnePart(places) / events, ...shares) + RULE_OF_THREE / events);
}

/** Of the events behind a part, the share at places that were not seen before; undefined where there are none. */
export function unforeseen(places: readonly (readonly number[])[], cut: number): number | undefined {
  let [events, unknown] = [0, 0];
  for (const blocks of places) {
    const late = total(blocks, cut);
    events += late;
    if (total(blocks, 0, cut) === 0) unknown += late;
  }
  return events === 0 ? undefined : unknown / events;
}

/** Events at places that were seen in one part of the window alone. */
export function inOnePart(places: readonly (readonly number[])[]): number {
  let events = 0;
  for (const blocks of places) {
    let parts = 0;
    for (const count of blocks) if (count > 0) parts++;
    if (parts === 1) events += total(blocks);
  }
  return events;
}

/** The sum of some numbers. A loop: this is done for each place of a large record, again and again. */
function total(blocks: readonly number[], from = 0, to = blocks.length): number {
  let sum = 0;
  for (let at = from; at < to && at < blocks.length; at++) sum += blocks[at]!;
  return sum;
}

/** What is still to come, from all subjects together: cautious estimates. */
export interface Outlook {
  /** Share of events that the record does not foretell. */
  atMost: number;
  /** Share of events of subjects that are not in it. */
  newSubjects: number;
}

/** The outlook of a record: a subject that was seen late is a sign of others that are still to come. */
export function outlookOf(demands: readonly Demand[]): Outlook {
  const subjects = demands.map(({ observations }) => blocksByPlace(observations));
  const whole = subjects.map(sumOfPlaces);
  return { atMost: cautiousEstimate(subjects.flat()), newSubjects: cautiousEstimate(whole) };
}

/** Events in each part of the window at all of these places. */
function sumOfPlaces(places: readonly (readonly number[])[]): number[] {
  const sum = places[0]!.map(() => 0);
  for (const blocks of places) for (let at = 0; at < sum.length; at++) sum[at]! += blocks[at]!;
  return sum;
}

/** Events in each part of the window for each place that a rule tells from others. */
export function blocksByPlace(observations: readonly RecordedObservation[]): (readonly number[])[] {
  const destinations = new DestinationNumbers();
  const places: (readonly number[])[] = [];
  for (const observation of observations) {
    const place = destinations.of(observation);
    const known = places[place];
    const { blocks } = observation;
    places[place] = known === undefined ? blocks : known.map((count, block) => count + blocks[block]!);
  }
  return places;
}
