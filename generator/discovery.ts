import { Accounts } from '../profiler/read/observation.ts';
import type { RecordedObservation } from '../profiler/read/read.ts';
import { sumEvidence } from './subject/evidence.ts';
import { compareText } from './subject/order.ts';
import {
  blocksOfEach,
  judgeBlocks,
  LEAST_SPAN,
  type Outlook,
  outlookOf,
  type Readiness,
  type ReadinessState,
  spanOf,
} from './readiness.ts';
import { selectObservations } from './subject/select.ts';

/** How much of what one subject does is known. */
interface SubjectDiscovery extends Readiness {
  subject: string;
  /** Events that a policy would have to allow. */
  events: number;
  /**
   * Distinct destinations known at the end of each tenth of the events: it flattens when there is little left
   * to learn.
   */
  discovery: number[];
}

/** How much of the traffic that is still to come is already known. */
export interface Discovery {
  /** Of the first and the last event that counts, microseconds since the epoch; absent when there is none. */
  first?: number;
  last?: number;
  /** What is still to come from all subjects; absent where there is none. */
  outlook?: Outlook;
  /** The sum over subjects. */
  discovery: number[];
  /** Least known first; among those the busiest first, then by name. */
  subjects: SubjectDiscovery[];
}

const STATES: readonly ReadinessState[] = ['learning', 'stabilizing', 'stable'];

/**
 * The discovery curve and the readiness of every subject that `generatePolicy` would make a rule for. `atLeast`: seconds
 * that a subject must have been seen for to be stable.
 */
export function discoveryOf(
  observations: readonly RecordedObservation[],
  accounts = new Accounts(),
  atLeast = LEAST_SPAN,
): Discovery {
  const { demands } = selectObservations(observations, {
    deny: [],
    includeDenied: false,
    allowCommandRules: true,
    accounts,
  });
  const placesOf = blocksOfEach(demands.map(({ observations: seen }) => seen));
  const subjects = demands.map(({ observations: seen, subject }, at): SubjectDiscovery => {
    const places = placesOf[at]!;
    const events = seen.reduce((sum, { count }) => sum + count, 0);
    const span = { seconds: spanOf(seen), atLeast };
    return Object.assign(judgeBlocks(places, span), {
      subject: subject.name,
      events,
      discovery: curveOf(places),
    });
  });
  if (subjects.length === 0) return { discovery: [], subjects };
  const { first, last } = sumEvidence(demands.flatMap((demand) => demand.observations));
  const curves = subjects.map(({ discovery }) => discovery);
  return {
    first,
    last,
    outlook: outlookOf(placesOf),
    discovery: curves[0]!.map((_, block) => curves.reduce((sum, curve) => sum + curve[block]!, 0)),
    subjects: subjects.sort(
      (a, b) =>
        STATES.indexOf(a.state) - STATES.indexOf(b.state) ||
        b.events - a.events ||
        compareText(a.subject, b.subject),
    ),
  };
}

function curveOf(places: readonly (readonly number[])[]): number[] {
  const firsts = places.map((blocks) => blocks.findIndex((count) => count > 0));
  return (places[0] ?? []).map((_, block) => firsts.filter((first) => first <= block).length);
}
