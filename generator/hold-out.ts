import type { Prefix } from '../policy/value/cidr.ts';
import { compileEvaluator } from '../policy/meaning/evaluator.ts';
import type { RecordedObservation } from '../profiler/read/read.ts';
import { flowOf } from './subject/flow.ts';
import { eventsFrom, isSeenBefore, TRAINING } from './subject/ahead.ts';
import { boxesOfRules } from './rule/host-count.ts';
import type { Rule } from './rule/rule.ts';
import type { Demand } from './subject/select.ts';
import { coveredKeys, type SubjectKind, subjectNamer } from './subject/subject.ts';
import { DestinationNumbers } from './destination/destination-numbers.ts';

/** What a policy made of the first four fifths of the events would have done to the last fifth. */
export interface HoldOut {
  /** Events in the last fifth; 0 when there is nothing to learn from before it. */
  events: number;
  denied: number;
  /** Of those, events of subjects that were not seen before. */
  ofNew: number;
  /** The subjects with denied events, in order. */
  subjects: { name: string; events: number; denied: number }[];
  /** Denied events had all destinations gone by address; where some go by name. */
  byAddress?: number;
}

/** Whether a policy allows an observation. */
export type Judge = (observation: RecordedObservation) => boolean;

/** Replays the last fifth of the events against a policy that `learn` makes of the rest. */
export function holdOut(demands: readonly Demand[], learn: (training: readonly Demand[]) => Judge): HoldOut {
  const training = demands.flatMap(({ subject, observations }) => {
    const seen = observations.filter((each) => isSeenBefore(each, TRAINING));
    return seen.length === 0 ? [] : [{ subject, observations: seen }];
  });
  const result: HoldOut = { events: 0, denied: 0, ofNew: 0, subjects: [] };
  // A record of one moment is no test of anything.
  if (training.length === 0) return result;
  const allows = learn(training);
  for (const { subject, observations } of demands) {
    let [events, denied] = [0, 0];
    for (const observation of observations) {
      const count = eventsFrom(observation, TRAINING);
      if (count === 0) continue;
      events += count;
      if (!allows(observation)) denied += count;
    }
    result.events += events;
    result.denied += denied;
    if (!observations.some((each) => isSeenBefore(each, TRAINING))) result.ofNew += denied;
    if (denied > 0) result.subjects.push({ name: subject.name, events, denied });
  }
  return result;
}

/** The judgement of rules with these prefixes for their entries. */
export function judgeByRules(rules: readonly Rule[], lists: readonly (readonly Prefix[][])[]): Judge {
  const boxes = boxesOfRules(rules, lists).flat();
  const log = { format: 'json', level: 'info', labels: {} } as const;
  const judge = compileEvaluator({ version: 2, mode: 'block', target: 'host', boxes, log });
  return (observation) => judge(flowOf(observation)).action === 'allow';
}

/**
 * The judgement of rules that allow exactly what was observed: nothing needs to be built to know it. (That a
 * rule for a command name may also allow an executable is left out.)
 */
export function judgeByRecord(training: readonly Demand[], by: SubjectKind | undefined): Judge {
  const destinations = new DestinationNumbers();
  const covered = new Map<string, Demand[]>();
  for (const demand of training) {
    for (const key of coveredKeys(demand.subject)) {
      const known = covered.get(key);
      if (known === undefined) covered.set(key, [demand]);
      else known.push(demand);
    }
  }
  /** Of those subjects alone that are asked for. */
  const seen = new Map<string, Set<number>>();
  const seenBy = (key: string): Set<number> => {
    let known = seen.get(key);
    if (known !== undefined) return known;
    seen.set(key, (known = new Set()));
    for (const { observations } of covered.get(key) ?? []) {
      for (const each of observations) known.add(destinations.of(each));
    }
    return known;
  };
  const nameOf = subjectNamer(by);
  return (observation) => {
    const subject = nameOf(observation.subject);
    return subject !== undefined && seenBy(subject.key).has(destinations.of(observation));
  };
}
