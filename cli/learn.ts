import { Command, InvalidArgumentError, Option } from 'commander';
import { SideFlag } from '../bpf/wire.ts';
import type { Target } from '../policy/policy.ts';
import { parseDuration } from './duration.ts';
import { Progress } from './progress.ts';
import { databaseOption } from './record-option.ts';
import { Session } from './session.ts';

interface Options {
  db: string;
  duration?: number;
  target: Target;
}

const HELP = `
Examples:
  $ sudo bouheki learn --duration 24h
  $ sudo bouheki learn --target container --db /var/tmp/ci.duckdb

Ctrl-C ends the recording and keeps everything.
Exit status: 0 recorded, 2 trouble.`;

/** `bouheki learn`: record what the host connects to, and judge nothing. */
export function learnCommand(): Command {
  return new Command('learn')
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
    .addOption(databaseOption())
    .addHelpText('after', HELP)
    .action(learn);
}

function readDuration(text: string): number {
  const seconds = parseDuration(text);
  if (seconds === undefined)
    throw new InvalidArgumentError('It must be a duration such as 90s, 15m, 24h or 7d.');
  return seconds;
}

async function learn(options: Options): Promise<void> {
  const session = await Session.open({ db: options.db, info: { command: 'learn', target: options.target } });
  for (const { id } of session.interrupted) {
    process.stderr.write(`Recording ${id} was interrupted; what it had committed is kept.\n`);
  }
  session.egress.flip(SideFlag.record | (options.target === 'container' ? SideFlag.containers : 0));
  process.stderr.write(`Recording ${session.recording.id} into ${options.db}. Ctrl-C ends it.\n`);
  const progress = new Progress('learning', options.duration);
  const { counters } = session.recording;
  await session.run(options.duration, () =>
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
      (counters.events > 0 ? 'Next: bouheki generate > policy.yaml\n' : ''),
  );
}

function total(lost: Record<string, number>): number {
  return Object.values(lost).reduce((sum, count) => sum + count, 0);
}
