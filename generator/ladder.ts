import { formatCount, formatPercent } from '../format/number.ts';
import { formatDuration } from '../format/duration.ts';
import { formatTime } from '../format/moment.ts';
import { denialOf, matchesFrom, normalizeFlow } from '../policy/meaning/evaluate.ts';
import { compileEvaluator } from '../policy/meaning/evaluator.ts';
import type { AccountTable, From, Mode, Policy } from '../policy/meaning/policy.ts';
import type { RecordedObservation } from '../profiler/read/read.ts';
import { blocksByPlace, judgeBlocks, LEAST_SPAN, type Readiness, spanOf } from './readiness.ts';
import { sumEvidence } from './subject/evidence.ts';
import { flowOf } from './subject/flow.ts';

/** Whom a policy names in rules, and may block apart from others. */
export interface LadderSubject {
  /** Of the first rule with it. */
  name: string;
  from: From;
  /** Of the mode entry that names exactly these. */
  mode?: Mode;
}

/** What is known of the subjects. */
export interface LadderRecord {
  /** Of the whole record that counts. */
  observations: readonly RecordedObservation[];
  /** Of the quiet period alone. */
  recent: readonly RecordedObservation[];
  /** Seconds that the quiet period has, and for how many of them something was recorded. */
  quiet: { seconds: number; recorded: number };
  /** Events that were lost in it. */
  lost: number;
  accounts?: AccountTable;
}

/**
 * Where a subject stands: `blocked` or `held` (monitored) by an entry of the file, `ready` to be blocked, or `waiting` for
 * what `because` says.
 */
type RungState = 'blocked' | 'held' | 'ready' | 'waiting';

export interface Rung {
  name: string;
  state: RungState;
  /** Events in the record that counts. */
  events: number;
  readiness?: Readiness;
  /** Events of the quiet period that would have been blocked. */
  denied: number;
  because: string[];
}

/** How much of the quiet period must have been recorded. */
const RECORDED = 0.95;

/**
 * Where each subject of a policy stands on the way from monitor to block. One is ready when its record is stable (see
 * `judgeBlocks`), when nothing of the quiet period that may be its own would have been blocked, and when that period was
 * recorded without losses. What may be of a subject is judged as an entry that blocks does it: in doubt it is. `denied`:
 * events of the quiet period, of anybody, that would have been blocked.
 */
export function climb(
  policy: Policy,
  subjects: readonly LadderSubject[],
  record: LadderRecord,
): { rungs: Rung[]; denied: number } {
  const judge = compileEvaluator(policy);
  const denied = record.recent
    .map((observation) => ({ observation, flow: normalizeFlow(flowOf(observation, record.accounts)) }))
    .filter(({ flow }) => judge(flow).action === 'deny');
  const flows = record.observations.map((observation) => ({
    observation,
    flow: normalizeFlow(flowOf(observation, record.accounts)),
  }));
  const rungs = subjects.map((subject): Rung => {
    const its = { action: 'deny', from: subject.from } as const;
    const seen = flows.filter(({ flow }) => matchesFrom(its, flow));
    const bad = denied.filter(({ flow }) => matchesFrom(its, flow)).map(({ observation }) => observation);
    const observations = seen.map(({ observation }) => observation);
    const rung = rungOf(subject, observations, bad, record);
    if (rung.state !== 'ready') return rung;
    // An entry above decides for them: one more below it would change nothing.
    const isOpen = seen.some(({ flow }) => denialOf(policy, flow).modeEntry === undefined);
    return isOpen ? rung : { ...rung, state: 'held', because: ['a mode entry above decides for it'] };
  });
  return { rungs, denied: sumEvidence(denied.map(({ observation }) => observation)).count };
}

function rungOf(
  { from, mode, name }: LadderSubject,
  observations: readonly RecordedObservation[],
  bad: readonly RecordedObservation[],
  record: LadderRecord,
): Rung {
  const events = sumEvidence(observations).count;
  const denied = sumEvidence(bad).count;
  const base = { name, events, denied };
  if (mode !== undefined) {
    return {
      ...base,
      state: mode === 'block' ? 'blocked' : 'held',
      because: [`its mode entry says ${mode}`],
    };
  }
  if (Object.keys(from).length === 0) {
    return { ...base, state: 'held', because: ['the rule is for everybody, who cannot be blocked alone'] };
  }
  if (events === 0) return { ...base, state: 'waiting', because: ['it is not in the record'] };
  const readiness = judgeBlocks(blocksByPlace(observations), {
    seconds: spanOf(observations),
    atLeast: LEAST_SPAN,
  });
  const because = [...unready(readiness), ...unquiet(bad, record)];
  if (because.length > 0) return { ...base, readiness, state: 'waiting', because };
  const most = formatPercent(readiness.atMost);
  return {
    ...base,
    readiness,
    state: 'ready',
    because: [`stable, at most ${most} of what comes is unknown`],
  };
}

function unready({ atMost, state }: Readiness): string[] {
  if (state === 'stable') return [];
  return [`${state}: up to ${formatPercent(atMost)} of what comes is unknown`];
}

function unquiet(bad: readonly RecordedObservation[], { lost, quiet }: LadderRecord): string[] {
  const period = formatDuration(quiet.seconds);
  const because: string[] = [];
  if (bad.length > 0) {
    const { count, last } = sumEvidence(bad);
    because.push(
      `${formatCount(count, 'event')} of the last ${period} would be blocked, the last at ${formatTime(last)}`,
    );
  }
  if (quiet.recorded < RECORDED * quiet.seconds) {
    because.push(`of the last ${period} ${formatDuration(Math.floor(quiet.recorded))} are recorded`);
  }
  if (lost > 0) because.push(`${formatCount(lost, 'event')} of the last ${period} were lost`);
  return because;
}

/** Seconds of a period in which recordings ran. Times in microseconds since the epoch. */
export function recordedSeconds(
  recordings: readonly { startedAt: number; endedAt: number }[],
  since: number,
  until: number,
): number {
  let [reached, total] = [since, 0];
  for (const { endedAt, startedAt } of recordings.toSorted((a, b) => a.startedAt - b.startedAt)) {
    const [start, end] = [Math.max(startedAt, reached), Math.min(endedAt, until)];
    if (end <= start) continue;
    total += end - start;
    reached = end;
  }
  return total / 1e6;
}
