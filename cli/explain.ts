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
import { BouhekiError } from '../error/error.ts';
import { parsePrefix, type Prefix } from '../policy/value/cidr.ts';
import type { RecordedOptions } from './explain/recorded.ts';
import { hostOption } from './option/fleet-host.ts';
import { databaseOption, readInstant, sinceOption, untilOption } from './option/record-option.ts';

const HELP = `
Examples:
  $ bouheki explain policy.yaml --to 10.0.0.1:443/tcp --exe /usr/bin/curl --uid 1000
  $ bouheki explain policy.yaml --to '[fd00::1]:53/udp' --container web --json
  $ bouheki explain policy.yaml --to 140.82.121.6:443 --name api.github.com --exe /usr/bin/curl
  $ bouheki explain policy.yaml --to 10.0.0.1/icmp
  $ bouheki explain policy.yaml --socket raw --exe /usr/bin/ping
  $ bouheki explain policy.yaml --address 10.0.3.7 --rows 3
  $ bouheki explain policy.yaml --rule "nightly backup" --since 7d
  $ bouheki explain policy.yaml --at 2026-11-21T09:30:07Z --exe /usr/bin/curl

With --to or --socket: one connection, which nobody needs to have made. Options of the subject that are not given are
unknown, and rules that name them do not match. The subject is in no supplementary group.

Without: what the record has of a rule, an address, a name, a subject or a time; all that is given must hold. Each
subject and destination has how often and when it was, what the kernel decided then, and what the policy says of it
now: the rule that decides, or the nearest one, of the same subject first, and the one-line fix. --rows adds rows as
\`bouheki export\` writes them.
Exit status: 0 all of it is allowed, 1 some is denied, 2 trouble.`;

/** What stands for a value in the help. */
const PLACEHOLDERS: Record<TextKind, string> = { command: 'name', file: 'path', path: 'path', name: 'name' };

const OTHER_OPTIONS: Record<IdDimension | AccountDimension, Record<string, string>> = {
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
  if (dimension === 'host') return {};
  if (!isTextDimension(dimension)) return OTHER_OPTIONS[dimension];
  const { about, kind } = FROM[dimension];
  return { [`--${dimension} <${PLACEHOLDERS[kind]}>`]: about };
}

/** `bouheki explain POLICY`: which rule decides over a connection or over what was recorded, or which one comes nearest. */
export function explainCommand(): Command {
  const command = new Command('explain')
    .argument('<policy>', 'the policy file, - for standard input')
    .option('--to <destination>', 'ADDRESS:PORT[/PROTOCOL], [IPV6]:PORT[/PROTOCOL] or ADDRESS/PROTOCOL')
    .addOption(
      new Option(
        '--name <name>',
        'with --to: a DNS name by which the address is known, its TTL not yet over; else one that addresses had; repeatable',
      )
        .argParser((name: string, all: string[]) => [...all, readName(name)])
        .default([], 'none'),
    )
    .addOption(
      new Option('--socket <kind>', 'instead of --to: a socket of this kind is opened')
        .choices(SOCKET_KINDS)
        .conflicts('to'),
    )
    .option('--rule <name>', 'what this rule of the policy decides')
    .addOption(
      new Option('--address <address>', 'what went to this address, or into this block').argParser(readBlock),
    )
    .option('--subject <text>', 'what a subject did, as `drift` calls it: "/usr/bin/curl uid 1000"')
    .addOption(
      new Option('--at <time>', 'what happened in this second, minute or day: 2026-11-21T09:30:07Z')
        .argParser(readInstant)
        .conflicts(['since', 'until']),
    )
    .addOption(sinceOption())
    .addOption(untilOption())
    .addOption(databaseOption());
  for (const dimension of FROM_DIMENSIONS) {
    for (const [flags, about] of Object.entries(optionsOf(dimension))) command.option(flags, about);
  }
  return command
    .addOption(hostOption('the host of a fleet that it is made on, or the record is of'))
    .addOption(
      new Option('--rows <count>', 'of the record: the latest rows of each').argParser(readCount).default(0),
    )
    .addOption(
      new Option('--limit <count>', 'of the record: subjects and destinations, 0 for all; JSON has all')
        .argParser(readCount)
        .default(10),
    )
    .option('--json', 'print the explanation as JSON', false)
    .addHelpText('after', HELP)
    .action(async (file: string, options: RecordedOptions) => {
      if (options.to !== undefined || options.socket !== undefined) {
        refuseBoth(options);
        const { explainConnection } = await import('./explain/connection.ts');
        await explainConnection(file, options);
        return;
      }
      refuseNothing(options);
      const { explainRecorded } = await import('./explain/recorded.ts');
      await explainRecorded(file, options);
    });
}

/** What says which part of the record is meant, beside the subject. */
const OF_RECORD = ['rule', 'address', 'subject', 'at', 'since', 'until'] as const;

/** A connection that nobody needs to have made is in no record. */
function refuseBoth(options: RecordedOptions): void {
  const given = OF_RECORD.find((key) => options[key] !== undefined);
  if (given === undefined) return;
  throw new BouhekiError('usage', `--${given} is about the record, and --to or --socket is not`, {
    remedy: 'Leave one of them out.',
  });
}

function refuseNothing(options: RecordedOptions): void {
  const ids = ['uid', 'euid', 'fsuid', 'gid', 'egid', 'fsgid'] as const;
  // A record is of one host: that is not a part of it.
  const subject = FROM_DIMENSIONS.filter((key) => key !== 'host');
  const given = [...OF_RECORD, ...subject, ...ids].some((key) => options[key] !== undefined);
  if (given || options.name.length > 0) return;
  throw new BouhekiError('usage', 'nothing is named that could be explained', {
    remedy: 'Add --to 10.0.0.1:443/tcp, or what of the record is meant: --rule, --address, --name or --exe.',
  });
}

function readBlock(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new InvalidArgumentError('It must be an address or a block: 10.0.0.0/24.');
  return prefix;
}

function readCount(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('It must be a number.');
  return Number(text);
}

/** A name as it is recorded. */
function readName(text: string): string {
  const reading = readNamePattern(text);
  if ('pattern' in reading && !isNameGlob(reading.pattern)) return reading.pattern;
  const fault = 'fault' in reading ? reading.fault : `"${text}" stands for more than one name`;
  throw new InvalidArgumentError(`${fault}.`);
}
