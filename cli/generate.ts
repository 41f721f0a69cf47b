import { visible, visibleLines } from '../error/visible.ts';
import { Command, InvalidArgumentError, Option } from 'commander';
import { BouhekiError } from '../error/error.ts';
import { formatCount, formatPercent } from '../format/number.ts';
import { curveOf } from '../generator/rule/curve.ts';
import { sumEvidence } from '../generator/subject/evidence.ts';
import { generatePolicy, type Generated, type GenerateInput } from '../generator/generate.ts';
import { mergeWithBase } from '../generator/merge.ts';
import { findSuperfluous } from '../generator/prove.ts';
import type { SubjectKind } from '../generator/subject/subject.ts';
import { followLinks } from '../policy/meaning/linked-path.ts';
import type { AccountTable, Mode, Target } from '../policy/meaning/policy.ts';
import { parsePolicy } from '../policy/file/parse.ts';
import { printPolicy } from '../policy/file/print.ts';
import type { Problem } from '../policy/file/problem.ts';
import { openReader, type RecordingSummary } from '../profiler/read/read.ts';
import { curveJson, curveText } from './report/curve.ts';
import { readDenyList } from './option/deny-list.ts';
import { generateJson, generateSummary, mergeJson, mergeSummary, SHOWN } from './report/generate-summary.ts';
import { describeLinks, isFollowable, realPaths } from './option/linked-path.ts';
import { accountsFor } from './option/account-table.ts';
import { writeOutput } from './option/output-file.ts';
import { readOwners } from './option/owner-list.ts';
import { parseText, readPolicyText, readTrustedPolicyText } from './option/policy-file.ts';
import { findingsOf } from './option/policy-finding.ts';
import { warnAtOnce } from './option/policy-reader.ts';
import { describeGaps } from './report/gap.ts';
import {
  databaseOption,
  sinceOption,
  untilOption,
  windowOf,
  type RecordOptions,
} from './option/record-option.ts';
import { packageVersion } from './report/version.ts';

interface Options extends RecordOptions {
  mode: Mode;
  target: Target;
  deny: string[];
  allowLoss: boolean;
  includeDenied: boolean;
  allowCommandRules: boolean;
  by: SubjectKind;
  layout: 'rules' | 'flat';
  maxCidrs?: number;
  curve: boolean;
  owners?: string;
  minCoverage?: number;
  require?: 'stable';
  prove: boolean;
  base?: string;
  check: boolean;
  output: string;
  json: boolean;
  verbose: boolean;
}

/** Characters of the largest policy that is read again, in about a second. */
const CHECKED = 500_000;

const HELP = `
Examples:
  $ bouheki generate > policy.yaml
  $ bouheki generate --since 7d --mode block --output policy.yaml
  $ bouheki generate --target container --deny 10.0.0.0/8 --deny @blocked.txt
  $ bouheki generate --curve
  $ bouheki generate --base policy.yaml --output policy.yaml
  $ bouheki generate --max-cidrs 200 --min-coverage 0.99 --require stable > policy.yaml

The policy goes to standard output (or --output), the summary to standard error.
A budget of CIDRs is shared by all allow rules: the prefixes that come out allow the
fewest addresses that were not observed. None holds a denied address, mixes private
with public addresses, or is wider than /8 (IPv6: /32).
The hold-out replays the last fifth of the window against a policy made of the rest.
With --base nothing is removed, and entries that were removed by hand stay out: the
header of the policy has the time up to which the record was offered.
Exit status: 0 written, 1 --check would add something, or written, but --min-coverage,
--require or --prove found fault, 2 trouble.`;

/** `bouheki generate`: the record as a policy. */
export function generateCommand(): Command {
  return new Command('generate')
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
    .addOption(
      new Option(
        '--by <what>',
        'what a subject is; auto where that is not known. exe and script: in a container together with its image',
      )
        .choices(['auto', 'exe', 'script', 'container', 'image', 'unit', 'uid'])
        .default('auto', 'auto: container or executable, with the uid'),
    )
    .addOption(
      new Option(
        '--layout <layout>',
        'rules: each subject is allowed its own destinations; flat: one box of commands, ids and addresses',
      )
        .choices(['rules', 'flat'])
        .default('rules'),
    )
    .option('--max-cidrs <count>', 'allow in at most this many CIDRs', readCount)
    .option('--curve', 'print what each number of CIDRs would allow, and no policy', false)
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

async function run(options: Options): Promise<void> {
  refuseContradictions(options);
  const { maxCidrs, owners, ...rest } = options;
  const settings = {
    ...rest,
    deny: readDenyList(options.deny, warnVisibly),
    ...(owners !== undefined && { owners: readOwners(owners, warnVisibly) }),
    // What people have written is kept: a merge adds the paths that were seen.
    ...(options.base === undefined && { acceptsPattern: isFollowable }),
    version: packageVersion(),
  };
  const { input, recordings } = await readRecord(options);
  refuseOtherTarget(recordings, options.target);
  process.stderr.write(visibleLines(describeGaps(recordings)));
  if (options.curve) {
    const { denied, rules } = generatePolicy(input, { ...settings, layout: 'rules' });
    const curve = curveOf(rules, denied);
    writeOutput(options.output, options.json ? curveJson(curve) : curveText(curve));
    return;
  }
  if (options.base !== undefined) {
    const generated = generatePolicy(input, { ...settings, layout: 'rules' });
    await runMerge(options.base, generated, input.accounts, options);
    return;
  }
  const generated = generatePolicy(input, { ...settings, ...(maxCidrs !== undefined && { maxCidrs }) });
  const text = printPolicy(generated.document);
  writeOutput(options.output, options.json ? generateJson(text, generated, input) : text);
  process.stderr.write(generateSummary(generated, input, remarksOn(text), options));
  const faults = faultsOf(generated, options);
  if (faults.length > 0) {
    process.stderr.write(`${faults.map(visible).join('\n')}\n`);
    process.exitCode = 1;
  }
}

/** What `check` says of a policy that was written just now; undefined when that would take too long. */
function remarksOn(text: string): Problem[] | undefined {
  if (text.length > CHECKED) return undefined;
  const parsed = parsePolicy(text, 'the policy');
  return [...parsed.problems, ...findingsOf(parsed)];
}

/** Entries of lists are the user's own text. */
function warnVisibly(text: string): void {
  warnAtOnce(visibleLines(text));
}

/** Adds to a policy; with --check only says what that would be. */
async function runMerge(
  file: string,
  { demands, window }: Generated,
  recorded: AccountTable | undefined,
  options: Options,
): Promise<void> {
  const text = options.check ? readPolicyText(file) : readTrustedPolicyText(file);
  const { count } = sumEvidence(demands.flatMap(({ observations }) => observations));
  const evidence = { count, first: window.first, last: window.last };
  const { links, policy } = followLinks(parseText(text, file, warnAtOnce), realPaths);
  process.stderr.write(describeLinks(links));
  const accounts = await accountsFor(policy, recorded);
  const merged = mergeWithBase({ text, policy }, demands, evidence, accounts);
  process.stderr.write(mergeSummary(merged, file));
  const entries = formatCount(merged.added, 'destination entry', 'destination entries');
  if (options.check) {
    process.stderr.write(merged.added === 0 ? 'Nothing to add.\n' : `Would add ${entries}.\n`);
    if (merged.added > 0) process.exitCode = 1;
    return;
  }
  writeOutput(options.output, options.json ? mergeJson(merged) : merged.text);
  process.stderr.write(merged.added === 0 ? 'Nothing to add.\n' : `Added ${entries}.\n`);
}

/** A policy that people edit keeps its layout, and its prefixes are theirs. */
function refuseContradictions(options: Options): void {
  const { base, check, curve, layout, maxCidrs, minCoverage, owners, prove } = options;
  if (check && base === undefined) {
    throw new BouhekiError('usage', '--check needs --base', {
      remedy: 'Name the policy to check with --base.',
    });
  }
  if (prove && layout === 'flat') {
    throw new BouhekiError('usage', '--prove does not go with --layout flat', {
      remedy: 'A flat policy allows more than was recorded, so no list of it is minimal. Use --layout rules.',
    });
  }
  const contradicting = [
    layout === 'flat' && '--layout flat',
    maxCidrs !== undefined && '--max-cidrs',
    owners !== undefined && '--owners',
    curve && '--curve',
    prove && '--prove',
    minCoverage !== undefined && '--min-coverage',
    options.require !== undefined && '--require',
  ].filter((each) => each !== false);
  if (base !== undefined && contradicting.length > 0) {
    throw new BouhekiError('usage', `--base does not go with ${contradicting.join(', ')}`, {
      remedy: 'Use one or the other: --base only adds what is new, exactly.',
    });
  }
}

/** Why a policy that was written does not do, by what the options ask for. */
function faultsOf(generated: Generated, options: Options): string[] {
  const { demands, holdOut, lists, names, readiness, rules } = generated;
  const faults: string[] = [];
  const coverage = holdOut.events === 0 ? 0 : 1 - holdOut.denied / holdOut.events;
  if (options.minCoverage !== undefined && coverage < options.minCoverage) {
    const found = holdOut.events === 0 ? 'nothing to test' : formatPercent(coverage);
    faults.push(
      `Fault: the hold-out covers ${found}, and ${formatPercent(options.minCoverage)} are asked for.`,
    );
  }
  if (options.require !== undefined) {
    const unstable = demands.filter(({ subject }) => readiness.get(subject.key)!.state !== options.require);
    for (const { subject } of unstable.slice(0, SHOWN)) {
      faults.push(`Fault: ${subject.name} is ${readiness.get(subject.key)!.state}, not stable.`);
    }
    if (unstable.length > SHOWN) {
      faults.push(
        `Fault: ${formatCount(unstable.length - SHOWN, 'more subject')} not stable; see \`bouheki status\`.`,
      );
    }
  }
  if (options.prove) {
    const observations = demands.flatMap((demand) => demand.observations);
    const superfluous = findSuperfluous(rules, names, lists, observations);
    for (const entry of superfluous) faults.push(`Fault: ${entry} could go; nothing recorded needs it.`);
    if (superfluous.length === 0) {
      const events = formatCount(
        observations.reduce((sum, each) => sum + each.count, 0),
        'event',
      );
      process.stderr.write(`Proved: without any one entry some of the ${events} would be denied.\n`);
    }
  }
  return faults;
}

function readCount(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 1 to 9999999.');
}

function readShare(text: string): number {
  const share = Number(text);
  if (text.trim() !== '' && share >= 0 && share <= 1) return share;
  throw new InvalidArgumentError('It must be a number from 0 to 1.');
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
      ...(await reader.history(query)),
      accounts: await reader.accounts(),
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
