import { evaluate, matchesBox, normalizeFlow } from '../policy/evaluate.ts';
import type { Box, Flow, Policy, Verdict } from '../policy/policy.ts';
import type { Observation, Subject } from '../profiler/observation.ts';
import { flowOf } from './flow.ts';
import { compareSubjects, inStableOrder } from './order.ts';

export interface Judged<T extends Observation> {
  observation: T;
  flow: Flow;
  /** As `evaluate` gives it for the whole policy. */
  verdict: Verdict;
}

/**
 * What the policy says of each observation, in a stable order. The boxes that a subject can match are looked up once
 * for all its destinations, so the cost grows with the rules about that subject and not with all rules.
 */
export function* judgeObservations<T extends Observation>(
  policy: Policy,
  observations: readonly T[],
): Generator<Judged<T>> {
  let subject: Subject | undefined;
  let places: number[] = [];
  let boxes: Box[] = [];
  for (const observation of inStableOrder(observations)) {
    const flow = flowOf(observation);
    if (subject === undefined || compareSubjects(subject, observation.subject) !== 0) {
      const normal = normalizeFlow(flow);
      subject = observation.subject;
      places = [...policy.boxes.keys()].filter((place) =>
        matchesBox({ ...policy.boxes[place]!, to: {} }, normal),
      );
      boxes = places.map((place) => policy.boxes[place]!);
    }
    const verdict = evaluate({ ...policy, boxes }, flow);
    const box = verdict.box === undefined ? undefined : places[verdict.box]!;
    yield {
      observation,
      flow,
      verdict: box === undefined ? { action: verdict.action } : { action: verdict.action, box },
    };
  }
}
