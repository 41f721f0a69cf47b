import { Command, InvalidArgumentError, Option } from 'commander';
import { BouhekiError } from '../error/error.ts';
import { databaseOption, readMoment, untilOption, wideOption } from './option/record-option.ts';
import { hostOption } from './option/fleet-host.ts';
import { readDuration } from './option/duration.ts';
import type { Format } from './drift/format/format-name.ts';
import {
  failOnOption,
  formatOption,
  groupByOption,
  ignoreOption,
  limitOption,
  unusedAfterOption,
} from './drift/option.ts';
import type { WatchOptions } from './drift/watch/watch.ts';

/** Formats that can go on. */
const LINES: ReadonlySet<Format> = new Set(['text', 'json', 'ndjson']);

const HELP = `
Examples:
  $ bouheki drift policy.yaml
  $ bouheki drift policy.yaml --since 24h --json
  $ bouheki drift policy.yaml --format markdown > drift.md
  $ bouheki drift policy.yaml --since last --ignore known.txt --fail-on new,denied
  $ bouheki drift policy.yaml --suggest --accept moved,0a1b2c3d4e5f > next.yaml
  $ bouheki drift policy.yaml --watch --exec /usr/local/bin/tell -- ops
  $ bouheki drift policy.yaml --watch --webhook @/etc/bouheki/webhook

New connections went through, and the policy would not let them. Denied ones are
attempts that were stopped, and the policy would stop them again. Disagreed ones got
another verdict in the kernel than the policy as it reads gives them: it has changed
since, or the kernel knew more than the record says. Every recorded denial is in one of
the three. Moved connections go to another address in the place of an allowed one, and
of identity changed ones another program does what an allowed one did.

Unused rules are without traffic for long, or for longer than their past makes likely.
With --since, surges are subjects that do far more than before. Shared connections are
allowed by a name that only other programs asked for, which has the same address as the
one that this one asked for. None of these three changes the exit status by itself.

With --watch findings are printed as they come, a line each, or as NDJSON with --json. Those of the kinds of --fail-on
go to --exec and --webhook as one document a round, again and again until that works. What was reported is remembered
as with --since last. The file of --webhook has the URL in its first line, and a header such as a token in each further
one. The webhook's own connection is judged, too: give it a rule. A signal ends it, with 0.

Each finding has an id, which stays the same from report to report. The worst are first.
A path of the policy that is a link on this host counts as what it leads to.
Exit status: 0 no drift, 1 drift, 2 trouble.`;

/** `bouheki drift POLICY`: what was recorded and the policy does not allow. */
export function driftCommand(): Command {
  return new Command('drift')
    .argument('<policy>', 'the policy file')
    .argument('[arguments...]', 'behind --: what the program of --exec is started with')
    .addOption(databaseOption())
    .addOption(
      new Option(
        '--since <time>',
        'only what happened at or after this time: 24h, 2026-11-21T09:30:00Z, or last: what was not reported yet',
      ).argParser((text) => (text === 'last' ? text : readMoment(text))),
    )
    .addOption(untilOption())
    .addOption(hostOption())
    .addOption(formatOption())
    .option('--json', 'the same as --format json', false)
    .addOption(groupByOption())
    .addOption(limitOption())
    .addOption(unusedAfterOption(8))
    .option('--owners <file>', 'CSV of owner,prefix: an address of the same owner has moved there')
    .addOption(ignoreOption())
    .option('--suggest', 'print the policy, changed so that accepted findings are settled', false)
    .addOption(
      new Option(
        '--accept <what>',
        'with --suggest: ids or kinds of findings, with commas between, or all',
      ).argParser((text) => text.split(',')),
    )
    .addOption(failOnOption())
    .option('--watch', 'go on: report findings as they come, each once', false)
    .addOption(
      new Option('--every <duration>', 'with --watch: how often to look')
        .argParser(readInterval)
        .default(300, '5m'),
    )
    .option('--exec <program>', 'with --watch: a program that is given new findings as JSON on its input')
    .option('--webhook <url|@file>', 'with --watch: where new findings are posted to as JSON')
    .addOption(
      new Option('--timeout <duration>', 'with --watch: how long program and webhook may take')
        .argParser(readTimeout)
        .default(10, '10s'),
    )
    .addOption(wideOption())
    .option('--intents', 'also UDP connects that sent nothing, which name look-ups make', false)
    .addHelpText('after', HELP)
    .action(async (file: string, args: string[], options: WatchOptions) => {
      refuseUseless(options, args);
      if (options.watch) {
        const { watchDrift } = await import('./drift/watch/watch.ts');
        await watchDrift(file, options, args);
        return;
      }
      const { reportDrift } = await import('./drift/report-drift.ts');
      await reportDrift(file, options);
    });
}

/** Options that would do nothing. */
function refuseUseless({ exec, format, suggest, until, watch, webhook }: WatchOptions, args: string[]): void {
  const tells = exec !== undefined || webhook !== undefined;
  const faults: [boolean, string][] = [
    [args.length > 0 && exec === undefined, `nothing takes ${args[0]}`],
    [!watch && tells, '--exec and --webhook go with --watch alone'],
    [watch && suggest, '--suggest does not go with --watch'],
    [watch && until !== undefined, '--until does not go with --watch'],
    [watch && !LINES.has(format), `--watch prints text or NDJSON, not ${format}`],
  ];
  const fault = faults.find(([holds]) => holds);
  if (fault === undefined) return;
  throw new BouhekiError('usage', fault[1], { remedy: 'See `bouheki drift --help`.' });
}

function readInterval(text: string): number {
  const seconds = readDuration(text);
  if (seconds >= 1 && seconds <= 86_400) return seconds;
  throw new InvalidArgumentError('It must be a second at least and a day at the most.');
}

function readTimeout(text: string): number {
  const seconds = readDuration(text);
  if (seconds >= 1 && seconds <= 600) return seconds;
  throw new InvalidArgumentError('It must be a second at least and ten minutes at the most.');
}
