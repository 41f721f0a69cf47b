import { Command, Option } from 'commander';
import { readDuration } from './option/duration.ts';
import { databaseOption } from './option/record-option.ts';
import { recorderOptions } from './option/recorder-option.ts';
import type { LearnOptions } from './run/learn.ts';

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
less often where a check takes more than six seconds, in a process of low priority. A program is stable after 300
connections at the earliest, and when it was seen for an hour, or for --at-least where that is less. Jobs that have not run yet cannot be counted: --at-least should be longer than the time between two
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
  return command.addHelpText('after', HELP).action(async (options: LearnOptions) => {
    // Not before: its help needs neither the kernel side nor the database.
    const { learn } = await import('./run/learn.ts');
    await learn(options);
  });
}
