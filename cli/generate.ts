import { Command, Option } from 'commander';
import { BouhekiError } from '../error/error.ts';
import { formatCount, formatTime, sumEvidence } from '../generator/evidence.ts';
import { generatePolicy, type Generated, type GenerateInput } from '../generator/generate.ts';
import type { Mode, Target } from '../policy/policy.ts';
import { printPolicy } from '../policy/print.ts';
import { openReader, type RecordingSummary } from '../profiler/read.ts';
import { readDenyList } from './deny-list.ts';
import { writeOutput } from './output-file.ts';
import { databaseOption, sinceOption, untilOption, windowOf, type RecordOptions } from './record-option.ts';
import { printable } from './table.ts';
import { packageVersion } from './version.ts';

interface Options extends RecordOptions {
  mode: Mode;
  target: Target;
  deny: string[];
  allowLoss: boolean;
  includeDenied: boolean;
  output: string;
  json: boolean;
}

const HELP = `
Examples:
  $ bouheki generate > policy.yaml
  $ bouheki generate --since 7d --mode block --output policy.yaml
  $ bouheki generate --target container --deny 10.0.0.0/8 --deny @blocked.txt

The policy goes to standard output (or --output), the summary to standard error.
Exit status: 0 written, 2 trouble.`;

/** `bouheki generate`: the record as a policy. */
export function generateCommand(): Command {
  return new Command('generate')
    .description('Write the policy that allows what was recorded, and nothing else')
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
    .option(
      '--deny <cidr|@file>',
      'addresses to deny whatever was recorded; repeatable',
      (value: string, all: string[]) => [...all, value],
      [],
    )
    .option('--allow-loss', 'accept a record that is known to lack events', false)
    .option('--include-denied', 'also allow what a policy denied when it was recorded', false)
    .option('-o, --output <file>', 'write the policy there', '-')
    .option('--json', 'print policy and summary as JSON', false)
    .addHelpText('after', HELP)
    .action(run);
}

async function run(options: Options): Promise<void> {
  const deny = readDenyList(options.deny);
  const { input, recordings } = await readRecord(options);
  refuseOtherTarget(recordings, options.target);
  const generated = generatePolicy(input, { ...options, deny, version: packageVersion() });
  const text = printPolicy(generated.document);
  writeOutput(
    options.output,
    options.json ? `${JSON.stringify(asJson(text, generated, input), null, 2)}\n` : text,
  );
  process.stderr.write(summary(generated, input, options));
}

async function readRecord(
  options: Options,
): Promise<{ input: GenerateInput; recordings: RecordingSummary[] }> {
  const reader = await openReader(options.db);
  try {
    const window = windowOf(options);
    const query = { ...window, target: options.target };
    const recordings = await reader.recordings(window);
    const input = {
      observations: await reader.observations(query),
      activity: await reader.activity(options.includeDenied ? query : { ...query, verdict: 'allow' }),
      losses: await reader.losses(window),
      recordings: recordings.length,
      interrupted: recordings.filter((recording) => recording.state === 'interrupted').length,
    };
    return { input, recordings };
  } finally {
    reader.close();
  }
}

/** A policy for the host from a record of containers alone would cut every other process off. */
function refuseOtherTarget(recordings: readonly RecordingSummary[], target: Target): void {
  if (target === 'container' || !recordings.some((recording) => recording.target === 'container')) return;
  throw new BouhekiError('no-data', 'a recording in this window holds connections of containers only', {
    remedy: 'Generate with --target container, or leave that recording out with --since and --until.',
  });
}

function summary(
  { document, metadataUsers, omissions }: Generated,
  input: GenerateInput,
  options: Options,
): string {
  const rules = document.allow ?? [];
  const destinations = rules.reduce((sum, rule) => sum + (rule.to?.length ?? 0), 0);
  const events = input.observations.reduce((sum, each) => sum + each.count, 0);
  const where = options.output === '-' ? '' : ` to ${options.output}`;
  const lines = [
    `Wrote ${formatCount(rules.length, 'rule')} with ${formatCount(destinations, 'destination entry', 'destination entries')}${where}, ` +
      `from ${formatCount(events, 'event')} of ${formatCount(input.recordings, 'recording')}.`,
  ];
  for (const subject of metadataUsers) {
    lines.push(
      `Review: ${subject} was seen at a cloud metadata address, which hands out credentials; it is allowed.`,
    );
  }
  for (const { reason, subject, observations } of omissions) {
    const { count, first, last } = sumEvidence(observations);
    lines.push(
      `Not allowed (${reason}): ${subject}, ${formatCount(count, 'event')} to ` +
        `${formatCount(observations.length, 'destination')}, ${formatTime(first)} to ${formatTime(last)}.`,
    );
  }
  if (options.mode === 'monitor') lines.push('The policy is in monitor mode: it reports and blocks nothing.');
  return `${lines.map(printable).join('\n')}\n`;
}

function asJson(policy: string, generated: Generated, input: GenerateInput): object {
  return {
    schema: 'bouheki.generate/v1',
    policy,
    rules: generated.document.allow?.length ?? 0,
    recordings: input.recordings,
    interrupted: input.interrupted,
    losses: input.losses,
    metadataUsers: generated.metadataUsers,
    omissions: generated.omissions.map(({ reason, subject, observations }) => ({
      reason,
      subject,
      destinations: observations.length,
      ...sumEvidence(observations),
    })),
  };
}
