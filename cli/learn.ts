import { Command, InvalidArgumentError, Option } from 'commander';
import { SideFlag } from '../bpf/wire.ts';
import { BouhekiError } from '../error/error.ts';
import type { Target } from '../policy/meaning/policy.ts';
import { parseDuration } from '../format/duration.ts';
import { type Messages, withMessages } from '../daemon/messages.ts';
import { Progress } from './terminal/progress.ts';
import { databaseOption } from './option/record-option.ts';
import {
  connectionsOf,
  describeApart,
  describeClock,
  describeHangUp,
  describeStart,
  describeUnnamed,
  foldingMessages,
} from './report/recorder-messages.ts';
import { attachmentOf, limitsOf, recorderOptions, type RecorderOptions } from './option/recorder-option.ts';
import { KernelSide } from '../daemon/kernel-side.ts';
import { Session } from '../daemon/session.ts';
import { requireDirectory } from '../profiler/database/record-place.ts';
import { ContainerNames } from '../profiler/identity/container.ts';
import { packageVersion } from './report/version.ts';
import { describeEnd, patienceOf } from './report/stability-end.ts';
import { StabilityWatch } from '../daemon/stability.ts';

interface Options extends RecorderOptions {
  db: string;
  duration?: number;
  until?: 'stable';
  /** Seconds. */
  atLeast?: number;
  target: Target;
}

const HELP = `
Examples:
  $ sudo bouheki learn --duration 24h
  $ sudo bouheki learn --until stable --at-least 24h --duration 14d
  $ sudo bouheki learn --target container --db /var/lib/bouheki/ci.duckdb
  $ sudo bouheki learn --retention 30d --max-size 10GB --metrics 127.0.0.1:9464

Ctrl-C and SIGTERM end the recording and keep everything; closing the terminal does not end it. A run with --duration
that was killed or stopped otherwise, such as by a reboot, continues when the same command is given again. It ends when
the duration has passed since its first start.
Folded events keep their counts and their first and last times, and take part in generate and drift as before.
With --until stable it ends as soon as every subject seen since it began is stable, as \`bouheki status\` reports it, in
traffic that spans at least --at-least; with --duration, at the latest when that time is up. It checks once a minute,
less often where a check takes more than six seconds, in a process of low priority. A program that connects only once
is never stable. Jobs that have not run yet cannot be counted: --at-least should be longer than the time between two
runs of the rarest job.
The names of containers come from the files of their runtime and, where it listens, from its sockets: /run/docker.sock,
/run/podman/podman.sock, /run/crio/crio.sock, /run/containerd/containerd.sock, /run/k3s/containerd/containerd.sock,
/run/k0s/containerd.sock or /var/snap/microk8s/common/run/containerd.sock.
Exit status: 0 recorded, and stable where that was asked for; 1 ended before it was stable, 2 trouble.`;

/** `bouheki learn`: record what the host connects to, and judge nothing. */
export function learnCommand(): Command {
  const command = new Command('learn')
    .addOption(
      new Option('--duration <time>', 'how long: 90s, 15m, 24h, 7d; without it until Ctrl-C').argParser(
        readDuration,
      ),
    )
    .addOption(
      new Option('--until <state>', 'end as soon as every subject is in this state').choices(['stable']),
    )
    .addOption(
      new Option('--at-least <time>', 'with --until: how long traffic must have been seen for; 1h').argParser(
        readDuration,
      ),
    )
    .addOption(
      new Option('--target <target>', 'record every process, or only those in containers')
        .choices(['host', 'container'])
        .default('host'),
    )
    .addOption(databaseOption());
  for (const option of recorderOptions()) command.addOption(option);
  return command.addHelpText('after', HELP).action(learn);
}

function readDuration(text: string): number {
  const seconds = parseDuration(text);
  if (seconds === undefined)
    throw new InvalidArgumentError('It must be a duration such as 90s, 15m, 24h or 7d.');
  return seconds;
}

async function learn(options: Options): Promise<void> {
  requireDirectory(options.db);
  await withMessages((messages) => record(options, messages));
}

async function record(options: Options, messages: Messages): Promise<void> {
  const say = messages.say.bind(messages);
  const atLeast = patienceOf(options);
  let watch: StabilityWatch | undefined;
  let clockSet = (step: number): void => say(describeClock(step));
  const kernel = await KernelSide.load(attachmentOf(options), () => say(describeHangUp('learning')));
  const session = await Session.open(kernel, new ContainerNames(), {
    db: options.db,
    info: { command: 'learn', target: options.target },
    duration: options.duration,
    limits: limitsOf(options),
    metrics: options.metrics,
    messages,
    clockSet: (step) => clockSet(step),
    version: packageVersion(),
    describe: () => (watch?.states ? { subjects: watch.states } : {}),
    ...foldingMessages(say),
  });
  if (atLeast !== undefined && session.unserved !== undefined) {
    const reason = session.unserved;
    await session.abort();
    throw new BouhekiError('store', `the record cannot be read while it is written: ${reason}`, {
      remedy: 'Name a database in another directory with --db, or leave --until out.',
    });
  }
  session.egress.flip(SideFlag.record | (options.target === 'container' ? SideFlag.containers : 0));
  say(describeStart(session, options.db, 'learn'));
  const { counters, startedAt } = session.recording;
  let began = session.window?.start ?? startedAt;
  const progress = new Progress(messages, 'learning', options.duration, () => session.passed);
  watch = atLeast === undefined ? undefined : new StabilityWatch(options.db, began, atLeast);
  clockSet = (step) => {
    progress.end();
    say(describeClock(step));
    began = Date.now() * 1000;
    watch?.restart(began);
  };
  let told: string | undefined;
  const cutShort = await session.run(() => {
    watch?.tick(performance.now());
    if (watch?.failure !== told) {
      told = watch?.failure;
      progress.end();
      if (told !== undefined) say(`Whether the record is stable could not be determined:\n${told}\n`);
    }
    progress.show({
      connections: connectionsOf(counters),
      intents: counters.intents,
      processes: counters.processes,
      lost: total(counters.lost),
      ...(watch && { readiness: watch.progress }),
    });
    return watch?.stable === true;
  });
  watch?.close();
  progress.end();
  say(
    describeRecorded(counters) +
      describeUnnamed(session.unnamed) +
      (cutShort ? 'Stopped before the time was up; the same command goes on with it.\n' : ''),
  );
  if (atLeast !== undefined) {
    const { stable, text } = await describeEnd(options.db, began, atLeast, watch?.stable === true);
    say(text);
    if (!stable) process.exitCode = 1;
  }
  if (counters.events > 0) say('Next: bouheki generate > policy.yaml\n');
}

function describeRecorded(counters: Session['recording']['counters']): string {
  const { lost, processes } = counters;
  return (
    `Recorded ${connectionsOf(counters)} connections of ${processes} processes, ${total(lost)} lost.\n` +
    describeApart(counters)
  );
}

function total(lost: Record<string, number>): number {
  return Object.values(lost).reduce((sum, count) => sum + count, 0);
}
