import { compileEvaluator } from '../../policy/meaning/evaluator.ts';
import { stops } from '../../policy/meaning/mode.ts';
import type { AccountTable, Policy } from '../../policy/meaning/policy.ts';
import { Accounts } from '../../profiler/read/observation.ts';
import { compare, driftOf, type Naming } from './drift.ts';
import { type DriftEntry, type DriftObservation, eventsOf } from './entry.ts';
import { flowOf } from '../subject/flow.ts';

/** What recorded events would have been under a policy that blocks. Numbers are events. */
export interface Simulation {
  events: number;
  /** Went through, and would again. */
  passed: number;
  /** Of these: would be denied, to subjects that the policy only monitors. */
  noted: number;
  /** Was stopped, and would be again. */
  stopped: number;
  /** Went through, and would be blocked: what people would notice. */
  blocked: DriftEntry[];
  /** Was stopped, and would go through: what nobody would notice. */
  opened: DriftEntry[];
}

/** How two policies differ on recorded events, as they read. */
export interface PolicyDifference {
  /** The first allows it, the second does not. */
  closed: DriftEntry[];
  /** The second allows it, the first does not. */
  opened: DriftEntry[];
}

/**
 * Judges recorded events by a candidate. Where the kernel has decided by a rule of the same name and text it knew more
 * than the record says, and what it decided stands, as in `compare`.
 */
export function simulate(
  candidate: Policy,
  observations: readonly DriftObservation[],
  naming: Naming,
): Simulation {
  const judge = compileEvaluator(candidate);
  const [lost, won]: [DriftObservation[], DriftObservation[]] = [[], []];
  let [noted, stopped] = [0, 0];
  for (const observation of observations) {
    const verdict = judge(flowOf(observation, accountsOf(naming)));
    const denies = stops(candidate, verdict);
    if (!wasStopped(observation)) {
      if (denies) lost.push(observation);
      else if (verdict.action === 'deny') noted += observation.count;
    } else if (denies) stopped += observation.count;
    else won.push(observation);
  }
  const blocked = driftOf(compare(candidate, lost, naming)).new;
  // Denied: to subjects that are only monitored now.
  const { denied, disagreed } = driftOf(compare(candidate, won, naming));
  const opened = [...disagreed, ...denied];
  const events = eventsOf(observations);
  return {
    events,
    passed: events - stopped - eventsOf(blocked) - eventsOf(opened),
    noted,
    stopped,
    blocked,
    opened,
  };
}

/** What would be denied in monitor mode went through. */
function wasStopped({ monitored, verdict }: DriftObservation): boolean {
  return verdict === 'deny' && monitored !== true;
}

function accountsOf({ accounts = new Accounts(), called = accounts }: Naming): AccountTable {
  return called;
}

/** Which recorded events two policies judge differently, whatever the kernel said of them. */
export function differenceOf(
  before: Policy,
  after: Policy,
  observations: readonly DriftObservation[],
  naming: Naming,
): PolicyDifference {
  const [judgeBefore, judgeAfter] = [compileEvaluator(before), compileEvaluator(after)];
  const closed: DriftObservation[] = [];
  const opened: DriftObservation[] = [];
  for (const observation of observations) {
    const flow = flowOf(observation, accountsOf(naming));
    const was = judgeBefore(flow).action;
    const is = judgeAfter(flow).action;
    if (was === is) continue;
    (is === 'deny' ? closed : opened).push(observation);
  }
  const entriesBy = (policy: Policy, list: readonly DriftObservation[]): DriftEntry[] =>
    compare(
      policy,
      // What the kernel said of them is no part of the question.
      list.map(({ monitored: _monitored, rule: _rule, ...each }) => ({ ...each, verdict: 'deny' as const })),
      naming,
    ).cases.map(({ entry: { recorded: _recorded, ...entry } }) => entry);
  return { closed: entriesBy(after, closed), opened: entriesBy(after, opened) };
}
