import { Command, InvalidArgumentError, Option } from 'commander';
import { isNameGlob, readNamePattern } from '../policy/value/host-name.ts';
import {
  type AccountDimension,
  FROM,
  FROM_DIMENSIONS,
  type IdDimension,
  isTextDimension,
  type TextKind,
} from '../policy/meaning/dimension.ts';
import type { From } from '../policy/meaning/policy.ts';
import { SOCKET_KINDS } from '../policy/value/socket-kind.ts';
import type { ExplainOptions } from './run/explain.ts';

const HELP = `
Examples:
  $ bouheki explain policy.yaml --to 10.0.0.1:443/tcp --exe /usr/bin/curl --uid 1000
  $ bouheki explain policy.yaml --to '[fd00::1]:53/udp' --container web --json
  $ bouheki explain policy.yaml --to 140.82.121.6:443 --name api.github.com --exe /usr/bin/curl
  $ bouheki explain policy.yaml --to 10.0.0.1/icmp
  $ bouheki explain policy.yaml --socket raw --exe /usr/bin/ping

ExplainOptions of the subject that are not given are unknown, and rules that name them do not match. The subject is in no
supplementary group.
Exit status: 0 allowed, 1 denied, 2 trouble.`;

/** What stands for a value in the help. */
const PLACEHOLDERS: Record<TextKind, string> = { command: 'name', file: 'path', path: 'path', name: 'name' };

const ID_OPTIONS: Record<IdDimension | AccountDimension, Record<string, string>> = {
  uid: {
    '--uid <id>': 'its real user id',
    '--euid <id>': 'its effective user id, where that is another: 0 in a setuid-root program',
    '--fsuid <id>': 'its user id for files, where that is not the effective one',
  },
  user: { '--user <name>': 'instead of --uid: its real user, by the name that it has on this host' },
  gid: {
    '--gid <id>': 'its real group id',
    '--egid <id>': 'its effective group id, where that is another',
    '--fsgid <id>': 'its group id for files, where that is not the effective one',
  },
  group: { '--group <name>': 'instead of --gid: its real group, by the name that it has on this host' },
};

/** The options that say a dimension of the subject, with what they mean. */
function optionsOf(dimension: keyof From): Record<string, string> {
  if (!isTextDimension(dimension)) return ID_OPTIONS[dimension];
  const { about, kind } = FROM[dimension];
  return { [`--${dimension} <${PLACEHOLDERS[kind]}>`]: about };
}

/**
 * `bouheki explain POLICY --to DESTINATION`, or `--socket KIND`: which rule decides, or which one comes
 * nearest.
 */
export function explainCommand(): Command {
  const command = new Command('explain')
    .argument('<policy>', 'the policy file, - for standard input')
    .option('--to <destination>', 'ADDRESS:PORT[/PROTOCOL], [IPV6]:PORT[/PROTOCOL] or ADDRESS/PROTOCOL')
    .option(
      '--name <name>',
      'a DNS name by which the address is known, its TTL not yet over; repeatable',
      (name: string, all: string[]) => [...all, readName(name)],
      [],
    )
    .addOption(
      new Option('--socket <kind>', 'instead of --to: a socket of this kind is opened')
        .choices(SOCKET_KINDS)
        .conflicts('to'),
    );
  for (const dimension of FROM_DIMENSIONS) {
    for (const [flags, about] of Object.entries(optionsOf(dimension))) command.option(flags, about);
  }
  return command
    .option('--json', 'print the explanation as JSON', false)
    .addHelpText('after', HELP)
    .action(async (file: string, options: ExplainOptions) => {
      const { explain } = await import('./run/explain.ts');
      await explain(file, options);
    });
}

/** A name as it is recorded. */
function readName(text: string): string {
  const reading = readNamePattern(text);
  if ('pattern' in reading && !isNameGlob(reading.pattern)) return reading.pattern;
  const fault = 'fault' in reading ? reading.fault : `"${text}" stands for more than one name`;
  throw new InvalidArgumentError(`${fault}.`);
}
