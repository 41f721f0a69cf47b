import { SideFlag } from '../../bpf/wire.ts';
import { keptAlone, scopeOf } from '../../daemon/control/keeper.ts';
import { ServiceNotice } from '../../daemon/control/service-notice.ts';
import { KernelSide } from '../../daemon/kernel-side.ts';
import { type Messages, withMessages } from '../../daemon/messages.ts';
import { Session } from '../../daemon/session.ts';
import { StabilityWatch } from '../../daemon/stability.ts';
import { awaitStopSignal } from '../../daemon/stop-signal.ts';
import { BouhekiError } from '../../error/error.ts';
import { connectionsOf, describeApart } from '../../format/connection-count.ts';
import type { Target } from '../../policy/meaning/policy.ts';
import { isEventLoss, LOSS_KINDS } from '../../profiler/event/dimension.ts';
import { requireRecordable } from '../../profiler/database/lock.ts';
import { ContainerNames } from '../../profiler/identity/container.ts';
import { limitsOf, type RecorderOptions } from '../option/recorder-option.ts';
import { fleetOf, type RunningAgent, startAgent } from '../joined/agent-beside.ts';
import { attachmentOf } from './attachment.ts';
import {
  describeClock,
  describeHangUp,
  describeStart,
  describeUnnamed,
  foldingMessages,
} from '../report/recorder-messages.ts';
import { packageVersion } from '../report/version.ts';
import { WatchBeside } from '../live/beside.ts';
import { Progress, type ProgressState } from '../terminal/progress.ts';

/** What `learn` was asked for, as commander hands it over. */
export interface LearnOptions extends RecorderOptions {
  db: string;
  duration?: number;
  until?: 'stable';
  /** Seconds. */
  atLeast?: number;
  target: Target;
}

/** No policy is judged by. */
const NEEDS = { blocks: false, known: 1 };

/** Records what the host connects to until it is enough. */
export async function learn(options: LearnOptions): Promise<void> {
  requireRecordable(options.db);
  await withMessages((messages) => record(options, messages));
}

async function record(options: LearnOptions, messages: Messages): Promise<void> {
  const say = messages.say.bind(messages);
  const notice = new ServiceNotice();
  const ending = await stabilityOf(options);
  const atLeast = ending?.patienceOf(options);
  let watch: StabilityWatch | undefined;
  let agent: RunningAgent | undefined;
  let clockSet = (step: number): void => say(describeClock(step));
  const awaitEnd = () => awaitStopSignal(() => say(describeHangUp('learning')));
  const kernel = await KernelSide.load(attachmentOf(options), NEEDS, awaitEnd);
  const session = await Session.open(kernel, new ContainerNames(), {
    db: options.db,
    info: { command: 'learn', target: options.target },
    duration: options.duration,
    limits: limitsOf(options),
    metrics: options.metrics,
    names: options.names,
    messages,
    clockSet: (step) => clockSet(step),
    version: packageVersion(),
    describe: () => ({ ...(watch?.states && { subjects: watch.states }), ...fleetOf(agent?.status) }),
    ...foldingMessages(say),
  });
  if (atLeast !== undefined) await requireServed(session);
  session.egress.flip(SideFlag.record | (options.target === 'container' ? SideFlag.containers : 0));
  say(describeStart(session, options.db, 'learn', keptAlone(scopeOf(kernel.attachment))));
  const { counters, startedAt } = session.recording;
  let began = session.window?.start ?? startedAt;
  const progress = new Progress(messages, 'learning', options.duration, () => session.passed);
  watch = watchOf(options, began, atLeast);
  const beside = WatchBeside.start(options.watch, options.db);
  agent = startAgent(options, false, say);
  clockSet = (step) => {
    progress.end();
    say(describeClock(step));
    began = Date.now() * 1000;
    watch?.restart(began);
  };
  let reported: string | undefined;
  notice.ready('Learning');
  const cutShort = await session.run(() => {
    notice.tick('Learning');
    watch?.tick(performance.now());
    if (watch?.failure !== reported) {
      reported = watch?.failure;
      progress.end();
      if (reported !== undefined) say(`Whether the record is stable could not be determined:\n${reported}\n`);
    }
    // Its line would be between those of connections.
    if (beside === undefined) progress.show(stateOf(counters, watch));
    return watch?.stable === true;
  });
  notice.stopping();
  watch?.close();
  progress.end();
  await beside?.end();
  await agent?.end();
  say(
    describeRecorded(counters) +
      describeUnnamed(session.unnamed) +
      (cutShort ? 'Stopped before the time was up; the same command goes on with it.\n' : ''),
  );
  if (ending !== undefined && atLeast !== undefined) {
    const { stable, text } = await ending.describeEnd(options.db, began, atLeast, watch?.stable === true);
    say(text);
    if (!stable) process.exitCode = 1;
  }
  if (counters.events > 0) say('Next: bouheki generate > policy.yaml\n');
}

/** Whether it is stable is read from the record while it is written. */
async function requireServed(session: Session): Promise<void> {
  if (session.unserved === undefined) return;
  await session.abort();
  throw new BouhekiError('store', `the record cannot be read while it is written: ${session.unserved}`, {
    remedy: 'Name a database in another directory with --db, or leave --until out.',
  });
}

function stateOf(
  counters: Session['recording']['counters'],
  watch: StabilityWatch | undefined,
): ProgressState {
  return {
    connections: connectionsOf(counters),
    intents: counters.intents,
    processes: counters.processes,
    lost: total(counters.lost),
    ...(watch?.awaited && { readiness: watch.progress }),
  };
}

/** Looks at how well subjects are known, where learning waits for that or metrics tell of it. */
function watchOf(
  { db, metrics }: LearnOptions,
  began: number,
  atLeast: number | undefined,
): StabilityWatch | undefined {
  return atLeast === undefined && metrics === undefined ? undefined : new StabilityWatch(db, began, atLeast);
}

/**
 * What an end by stability needs. It is loaded for that alone, because with it comes DuckDB, which takes a quarter of
 * the time until the programs are loaded; and at the start, because an upgrade may have removed it when learning ends.
 */
async function stabilityOf({
  atLeast,
  until,
}: LearnOptions): Promise<typeof import('../report/stability-end.ts') | undefined> {
  if (until === undefined && atLeast === undefined) return undefined;
  return await import('../report/stability-end.ts');
}

function describeRecorded(counters: Session['recording']['counters']): string {
  const { lost, processes } = counters;
  return (
    `Recorded ${connectionsOf(counters)} connections of ${processes} processes, ${total(lost)} lost.\n` +
    describeApart(counters)
  );
}

/** Events that were lost, of all kinds. */
function total(lost: Session['recording']['counters']['lost']): number {
  return LOSS_KINDS.filter((kind) => isEventLoss({ kind })).reduce((sum, kind) => sum + lost[kind], 0);
}
