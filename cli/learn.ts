import { Command, InvalidArgumentError, Option } from 'commander';
import { SideFlag } from '../bpf/wire.ts';
import type { Target } from '../policy/policy.ts';
import { parseDuration } from './duration.ts';
import { Progress } from './progress.ts';
import { databaseOption } from './record-option.ts';
import { describeStart, foldingMessages } from './recorder-messages.ts';
import { attachmentOf, limitsOf, recorderOptions, type RecorderOptions } from './recorder-option.ts';
import { Session } from './session.ts';

interface Options extends RecorderOptions {
  db: string;
  duration?: number;
  target: Target;
}

const HELP = `
Examples:
  $ sudo bouheki learn --duration 24h
  $ sudo bouheki learn --target container --db /var/tmp/ci.duckdb
  $ sudo bouheki learn --retention 30d --max-size 10GB --metrics 127.0.0.1:9464

Ctrl-C ends the recording and keeps everything. A run with --duration that is killed or stopped otherwise, by a reboot
say, goes on where it was when the same command is given again: until its first start and the duration.
Folded events keep their counts, their first and last times, and take part in generate and drift as before.
Exit status: 0 recorded, 2 trouble.`;

/** `bouheki learn`: record what the host connects to, and judge nothing. */
export function learnCommand(): Command {
  const command = new Command('learn')
    .description('Record every outgoing connection with its process, user and container')
    .addOption(
      new Option('--duration <time>', 'how long: 90s, 15m, 24h, 7d; without it until Ctrl-C').argParser(
        readDuration,
      ),
    )
    .addOption(
      new Option('--target <target>', 'record everybody, or only containers')
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
  const session = await Session.open({
    db: options.db,
    attachment: attachmentOf(options),
    info: { command: 'learn', target: options.target },
    duration: options.duration,
    limits: limitsOf(options),
    metrics: options.metrics,
    ...foldingMessages(),
  });
  session.egress.flip(SideFlag.record | (options.target === 'container' ? SideFlag.containers : 0));
  process.stderr.write(describeStart(session, options.db));
  const { counters, startedAt } = session.recording;
  const progress = new Progress('learning', options.duration, (session.window?.start ?? startedAt) / 1000);
  const cutShort = await session.run(() =>
    progress.show({
      connections: counters.events,
      processes: counters.processes,
      lost: total(counters.lost),
    }),
  );
  progress.end();
  const lost = total(counters.lost);
  process.stderr.write(
    `Recorded ${counters.events} connections of ${counters.processes} processes, ${lost} lost.\n` +
      (cutShort ? 'Stopped before the time was up; the same command goes on with it.\n' : '') +
      (counters.events > 0 ? 'Next: bouheki generate > policy.yaml\n' : ''),
  );
}

function total(lost: Record<string, number>): number {
  return Object.values(lost).reduce((sum, count) => sum + count, 0);
}
