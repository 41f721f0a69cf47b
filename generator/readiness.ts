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

/** Behind which tenths what came after is compared with what came before; the last is that of the point estimate. */
const CUTS = [5, 6, 7, 8];

/** Of how many of these, the worst ones, the mean is taken. */
const WORST = 3;

/** Of n events that were foretold, none of 3/n is beyond what chance explains, in 19 of 20 cases. */
const RULE_OF_THREE = 3;

/** How well a record is known: what is still to come of all, and of each subject by its key. */
export function lookAhead(demands: readonly Demand[]): {
  outlook: Outlook;
  readiness: Map<string, Readiness>;
} {
  const places = blocksOfEach(demands.map(({ observations }) => observations));
  const readiness = demands.map(({ observations, subject }, at): [string, Readiness] => [
    subject.key,
    judgeBlocks(places[at]!, { seconds: spanOf(observations), atLeast: LEAST_SPAN }),
  ]);
  return { outlook: outlookOf(places), readiness: new Map(readiness) };
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
  const tally = tallyOf([places]);
  const atMost = cautious(tally);
  const unseen = tally.unforeseen.at(-1);
  const stable = worst(tally) <= STABLE && seconds >= atLeast;
  const state = stable ? 'stable' : atMost <= STABILIZING ? 'stabilizing' : 'learning';
  return { state, atMost, ...(unseen === undefined ? {} : { unseen }) };
}

/**
 * The largest of the share of events at places that were seen in one part alone, of what the last fifth would have been
 * denied, and of the mean of that behind the worst three of four points; and what so few events cannot exclude. `npm run
 * bench:generate` says how often this covers the truth, how far it is from it, and how other rules do.
 */
export function cautiousEstimate(places: readonly (readonly number[])[]): number {
  return cautious(tallyOf([places]));
}

function cautious(tally: Tally): number {
  const behind = tally.unforeseen.filter((share) => share !== undefined);
  const bad = behind.toSorted((a, b) => b - a).slice(0, WORST);
  const mean = total(bad) / Math.max(1, bad.length);
  return largest(tally, [tally.unforeseen.at(-1) ?? 0, mean]);
}

/** The same with the largest share behind any of the points. */
export function worstEstimate(places: readonly (readonly number[])[]): number {
  return worst(tallyOf([places]));
}

function worst(tally: Tally): number {
  return largest(
    tally,
    tally.unforeseen.filter((share) => share !== undefined),
  );
}

/** The largest of these shares and Good-Turing's, and what so few events cannot exclude. */
function largest({ events, inOnePart: once }: Tally, shares: readonly number[]): number {
  // Nothing seen is nothing known.
  if (events === 0) return 1;
  return Math.min(1, Math.max(once / events, ...shares) + RULE_OF_THREE / events);
}

/** What estimates are made of. */
interface Tally {
  events: number;
  /** Events at places that were seen in one part alone. */
  inOnePart: number;
  /** For each of CUTS what `unforeseen` says. */
  unforeseen: (number | undefined)[];
}

/** The tally of the places in all of these lists, from one look at each. */
function tallyOf(lists: readonly (readonly (readonly number[])[])[]): Tally {
  let [events, once] = [0, 0];
  const late = CUTS.map(() => 0);
  const unknown = CUTS.map(() => 0);
  for (const places of lists) {
    for (const blocks of places) {
      const sum = total(blocks);
      events += sum;
      if (parts(blocks) === 1) once += sum;
      for (let at = 0; at < CUTS.length; at++) {
        const before = total(blocks, 0, CUTS[at]!);
        late[at]! += sum - before;
        if (before === 0) unknown[at]! += sum;
      }
    }
  }
  const unforeseenAt = late.map((count, at) => (count === 0 ? undefined : unknown[at]! / count));
  return { events, inOnePart: once, unforeseen: unforeseenAt };
}

/** In how many parts there were events. */
function parts(blocks: readonly number[]): number {
  let seen = 0;
  for (const count of blocks) if (count > 0) seen++;
  return seen;
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
  return tallyOf([places]).inOnePart;
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

/**
 * The outlook of a record, by the blocks of each subject's places: a subject that was seen late is a sign of others that
 * are still to come.
 */
export function outlookOf(subjects: readonly (readonly (readonly number[])[])[]): Outlook {
  return { atMost: cautious(tallyOf(subjects)), newSubjects: cautiousEstimate(subjects.map(sumOfPlaces)) };
}

/** Events in each part of the window at all of these places. */
function sumOfPlaces(places: readonly (readonly number[])[]): number[] {
  const sum = places[0]!.map(() => 0);
  for (const blocks of places) for (let at = 0; at < sum.length; at++) sum[at]! += blocks[at]!;
  return sum;
}

/** Events in each part of the window for each place that a rule tells from others. */
export function blocksByPlace(observations: readonly RecordedObservation[]): (readonly number[])[] {
  return blocksOfEach([observations])[0]!;
}

/** The same for each of some lists, which have most of their destinations in common. */
export function blocksOfEach(lists: readonly (readonly RecordedObservation[])[]): (readonly number[])[][] {
  const destinations = new DestinationNumbers();
  /** For each destination the last list that it was found in, and which place of that it is. */
  const seenIn: number[] = [];
  const placeOf: number[] = [];
  return lists.map((observations, list) => {
    const places: (readonly number[])[] = [];
    for (const observation of observations) {
      const destination = destinations.of(observation);
      const { blocks } = observation;
      if (seenIn[destination] === list) {
        const place = placeOf[destination]!;
        places[place] = places[place]!.map((count, block) => count + blocks[block]!);
      } else {
        seenIn[destination] = list;
        placeOf[destination] = places.length;
        places.push(blocks);
      }
    }
    return places;
  });
}
