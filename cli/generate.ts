import { Command, InvalidArgumentError, Option } from 'commander';
import { databaseOption, sinceOption, untilOption } from './option/record-option.ts';
import { BouhekiError } from '../error/error.ts';
import type { FleetGenerateOptions } from './fleet/evidence/run/generate.ts';
import { operatorOption, readShare } from './fleet/operator/option.ts';

const HELP = `
Examples:
  $ bouheki generate > policy.yaml
  $ bouheki generate --since 7d --mode block --output policy.yaml
  $ bouheki generate --target container --deny 10.0.0.0/8 --deny @blocked.txt
  $ bouheki generate --curve
  $ bouheki generate --summary
  $ bouheki generate --base policy.yaml --output policy.yaml
  $ bouheki generate --fleet --workload web --since 14d > web.yaml
  $ bouheki generate --max-cidrs 200 --min-coverage 0.99 --require stable > policy.yaml

The policy goes to standard output (or --output), the summary to standard error.
A budget of CIDRs is shared by all allow rules: the prefixes that come out allow the
fewest addresses that were not observed. None holds a denied address, mixes private
with public addresses, or is wider than /8 (IPv6: /32).
The hold-out replays the last fifth of the events against a policy made of the rest.
With --base nothing is removed, and entries that were removed by hand stay out: the
header of the policy has the time up to which the record was offered.
Exit status: 0 written, 1 --check would add something, or written, but --min-coverage,
--require or --prove found fault, 2 trouble.`;

/** `bouheki generate`: the record as a policy. */
export function generateCommand(): Command {
  return withFleet(new Command('generate'))
    .addOption(databaseOption())
    .addOption(sinceOption())
    .addOption(untilOption())
    .addOption(
      new Option('--mode <mode>', 'what the policy does with the rest')
        .choices(['monitor', 'block'])
        .default('monitor'),
    )
    .addOption(
      new Option('--target <target>', 'whose connections the policy judges')
        .choices(['host', 'container'])
        .default('host'),
    )
    .addOption(
      new Option('--deny <cidr|@file>', 'addresses to deny whatever was recorded; repeatable')
        .argParser((value: string, all: string[]) => [...all, value])
        .default([], 'none'),
    )
    .addOption(byOption())
    .addOption(destinationsOption())
    .addOption(
      new Option(
        '--layout <layout>',
        'rules: each subject is allowed its own destinations; flat: one box of commands, ids and addresses',
      )
        .choices(['rules', 'flat'])
        .default('rules'),
    )
    .addOption(evidenceOption())
    .option(
      '--exact-ports',
      'allow no port that was not seen; else a range stands for ports that a service chooses anew each time',
      false,
    )
    .option(
      '--max-cidrs <count>',
      'allow in at most this many CIDRs; auto: in as many for each rule as would have denied least of what came next',
      readBudget,
    )
    .option('--curve', 'print what each number of CIDRs would allow, and no policy', false)
    .addOption(
      new Option('--summary', 'print the ten things that matter most, in order of risk, and no policy')
        .default(false)
        .conflicts('curve'),
    )
    .option('--owners <file>', 'allow the whole published block around an address; CSV of owner,prefix')
    .option('--min-coverage <share>', 'fail when the hold-out allows less, such as 0.99', readShare)
    .addOption(new Option('--require <state>', 'fail when a subject is still changing').choices(['stable']))
    .option('--prove', 'check that no entry can be removed without denying what was recorded', false)
    .option('--base <policy>', 'add what is new to this policy, and keep all edits of it')
    .option('--check', 'with --base: write nothing, fail when something would be added', false)
    .option('--allow-loss', 'accept a record that is known to lack events', false)
    .option('--include-denied', 'also allow what a policy denied when it was recorded', false)
    .option(
      '--allow-command-rules',
      'also write rules by command name alone, which any process can give itself, where the program is unknown',
      false,
    )
    .option('-o, --output <file>', 'write the policy there', '-')
    .option('-v, --verbose', 'say more on standard error: boxes, over-grant, hold-out, readiness', false)
    .option('--json', 'print policy and summary as JSON', false)
    .addHelpText('after', HELP)
    .action(run);
}

async function run(options: FleetGenerateOptions, command: Command): Promise<void> {
  const isGiven = (name: string) => command.getOptionValueSource(name) === 'cli';
  if (refuseMixed(options, isGiven)) {
    const { generateForFleet } = await import('./fleet/evidence/run/generate.ts');
    await generateForFleet(options);
    return;
  }
  const { generate } = await import('./run/generate.ts');
  await generate(options);
}

/** The command with what is asked of a fleet. */
function withFleet(command: Command): Command {
  return command
    .option('--fleet', 'from what the hosts of a workload showed, by a hub; no record is read', false)
    .option('--workload <name>', 'with --fleet: which')
    .option('--min-hosts <count>', 'with --fleet: withhold what fewer hosts showed', readHosts, 3)
    .option(
      '--min-hours <count>',
      'with --fleet: hours that a host must have recorded to count',
      readHours,
      24,
    )
    .option(
      '--max-host-holdout <share>',
      'with --fleet: fail when more of what a host did was shown by no other',
      readShare,
    )
    .addOption(operatorOption());
}

/** Whether it is about a fleet. Throws BouhekiError for options of one that are given without it, and the other way. */
function refuseMixed(
  { base, by, fleet, layout, maxHostHoldout, workload }: FleetGenerateOptions,
  isGiven: (option: string) => boolean,
): boolean {
  const faults: [boolean, string, string][] = [
    [
      fleet && workload === undefined,
      '--fleet needs --workload',
      'Name the workload; `bouheki fleet workload list` has them.',
    ],
    [!fleet && workload !== undefined, '--workload goes with --fleet', 'Add --fleet, or leave it out.'],
    [
      !fleet && maxHostHoldout !== undefined,
      '--max-host-holdout goes with --fleet',
      'Add --fleet, or leave it out.',
    ],
    [!fleet && isGiven('minHosts'), '--min-hosts goes with --fleet', 'Add --fleet, or leave it out.'],
    [!fleet && isGiven('minHours'), '--min-hours goes with --fleet', 'Add --fleet, or leave it out.'],
    [
      fleet && base !== undefined,
      '--fleet does not go with --base',
      'Generate anew: decisions of reviews are kept in POLICY.decisions.',
    ],
    [
      fleet && by === 'host',
      '--fleet does not go with --by host',
      'What too few hosts showed could then be allowed to every process alone. Use another --by.',
    ],
    [
      fleet && layout === 'flat',
      '--fleet does not go with --layout flat',
      'A flat policy has no rules to count hosts for. Use --layout rules.',
    ],
  ];
  const fault = faults.find(([holds]) => holds);
  if (fault === undefined) return fleet;
  throw new BouhekiError('usage', fault[1], { remedy: fault[2] });
}

function readHosts(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 1 to 99999.');
}

function readHours(text: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 0 to 9999.');
}

function byOption(): Option {
  return new Option(
    '--by <what>',
    'what a subject is; auto where that is not known. exe and script: in a container together with its image. host: no subjects, every process may go where any was seen',
  )
    .choices(['auto', 'exe', 'script', 'container', 'image', 'unit', 'uid', 'host'])
    .default('auto', 'auto: container or executable, with the uid');
}

function destinationsOption(): Option {
  return new Option(
    '--destinations <kind>',
    'what destinations go by; name: by DNS name where every event had one. auto: the same where that would have denied no more than addresses',
  )
    .choices(['address', 'name', 'auto'])
    .default('auto');
}

function evidenceOption(): Option {
  return new Option(
    '--evidence <amount>',
    'what stands beside each rule; line: one line, and one for its marks, in a policy with several values a line and shared lists as sets. full: all that is known',
  )
    .choices(['line', 'full'])
    .default('line');
}

function readBudget(text: string): number | 'auto' {
  return text === 'auto' ? text : readCount(text);
}

function readCount(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be auto, or a whole number from 1 to 9999999.');
}
