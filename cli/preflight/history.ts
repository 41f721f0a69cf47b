import { fork } from 'node:child_process';
import { BouhekiError } from '../../error/error.ts';
import { formatMoment, formatTime } from '../../format/moment.ts';
import { formatCount } from '../../format/number.ts';
import { programFile } from '../../host/program-file.ts';
import { discardLeftCopies } from '../../profiler/read/record-copy.ts';
import { recordToRead } from '../../profiler/database/record-place.ts';
import { type Failure, failureError } from '../../profiler/serve/protocol.ts';
import type { Finding } from './finding.ts';
import type { Replay, ReplayOrder } from './replay.ts';

/** Seconds that a replay may take. */
const PATIENCE = 60;

/** Megabytes of JavaScript's in the process that replays. */
const JAVASCRIPT_MB = 2048;

/** What of the recorded history would be blocked. Throws what is wrong with the record, unless that is `forced`. */
export async function checkHistory(
  order: ReplayOrder,
  forced: boolean,
  patience = PATIENCE,
): Promise<Finding> {
  const began = performance.now();
  const check = 'history';
  try {
    // Most often nothing is there yet, which takes no process to see.
    recordToRead(order.db);
    const done = await replayWithin(order, patience);
    if (done === 'late') return lateFinding(patience);
    return findingOf(done, (performance.now() - began) / 1000);
  } catch (error) {
    if (!(error instanceof BouhekiError)) throw error;
    if (error.code === 'no-data') {
      return { check, state: 'ok', what: `There is no record at ${order.db}: nothing to compare.` };
    }
    if (!forced) throw error;
    return {
      check,
      state: 'stop',
      what: `The record cannot be replayed: ${error.message}.`,
      ...(error.remedy !== undefined && { remedy: error.remedy }),
    };
  }
}

/**
 * Replays in a process of its own: a large record takes memory, which this one would keep, and one that takes too long
 * can be ended.
 */
async function replayWithin(order: ReplayOrder, patience: number): Promise<Replay | 'late'> {
  const child = fork(programFile('bundle/replay-process.js'), {
    execArgv: [`--max-old-space-size=${JAVASCRIPT_MB}`],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  type Answer = { done: Replay } | { failure: Failure } | { ended: string } | 'late';
  let timer: NodeJS.Timeout | undefined;
  const answer = await new Promise<Answer>((resolve) => {
    timer = setTimeout(() => resolve('late'), patience * 1000);
    child.once('message', (message: Answer) => resolve(message));
    child.once('error', (error) => resolve({ ended: error.message }));
    child.once('exit', (status, signal) => resolve({ ended: signal ?? `status ${status}` }));
    child.send(order, () => {});
  });
  clearTimeout(timer);
  child.kill('SIGKILL');
  if (answer !== 'late' && 'done' in answer) return answer.done;
  // It could not do that itself.
  discardLeftCopies(recordToRead(order.db));
  if (answer === 'late') return answer;
  if ('failure' in answer) throw failureError(answer.failure);
  throw new BouhekiError('store', `the process that replays the record ended with ${answer.ended}`, {
    remedy: 'Replay less of it with --since, or go on without with --force.',
  });
}

function lateFinding(patience: number): Finding {
  return {
    check: 'history',
    state: 'stop',
    what: `The record was not replayed within ${patience} seconds.`,
    why: 'What the policy would block of what this host did is not known.',
    remedy: 'Replay less of it with --since 1d, look at `bouheki drift`, or go on without with --force.',
  };
}

function findingOf({ blocked, events, resumed, since, top }: Replay, seconds: number): Finding {
  const check = 'history';
  const from = `since ${formatMoment(since)}${resumed ? ', when this policy began to block,' : ''}`;
  const took = `replayed in ${seconds.toFixed(1)} s`;
  if (events === 0) {
    return {
      check,
      state: 'ok',
      what: `The record has no connection ${from}: nothing to compare (${took}).`,
    };
  }
  const total = formatCount(events, 'recorded event');
  if (blocked.count === 0) {
    return {
      check,
      state: 'ok',
      what: `None of ${total} ${from} that went through would be blocked (${took}).`,
    };
  }
  const rows = top.flatMap(({ destinations, examples, subject }) => [
    ...examples.map(({ count, destination, last, rule }, place) => [
      place === 0 ? subject : '',
      destination,
      String(count),
      formatTime(last),
      rule,
    ]),
    ...(destinations > examples.length
      ? [['', `and ${destinations - examples.length} more`, '', '', '']]
      : []),
  ]);
  const more = blocked.subjects - top.length;
  if (more > 0) rows.push([`and ${formatCount(more, 'more subject')}`, '', '', '', '']);
  return {
    check,
    state: 'stop',
    what: `${formatCount(blocked.count, 'event')} of ${total} ${from} that went through would be blocked: ${formatCount(blocked.destinations, 'destination')} of ${formatCount(blocked.subjects, 'subject')} (${took}).`,
    remedy:
      'See all with `bouheki drift`, add what is wanted with `bouheki generate --base`, or block it with --force.',
    entries: top,
    table: { head: ['SUBJECT', 'DESTINATION', 'COUNT', 'LAST', 'RULE'], rows },
  };
}
