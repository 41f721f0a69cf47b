import { remarksOn } from '../option/policy-finding.ts';
import { visible, visibleLines } from '../../error/visible.ts';
import { BouhekiError } from '../../error/error.ts';
import { formatCount, formatPercent } from '../../format/number.ts';
import { curveOf } from '../../generator/rule/curve.ts';
import type { DestinationKind } from '../../generator/name/by-name.ts';
import { sumEvidence } from '../../generator/subject/evidence.ts';
import { generatePolicy, type Generated, type GenerateInput } from '../../generator/generate.ts';
import { unseenByOthers } from '../../generator/quorum.ts';
import { mergeWithBase } from '../../generator/merge.ts';
import { risksOf } from '../../generator/risk.ts';
import { findSuperfluous } from '../../generator/prove.ts';
import type { SubjectKind } from '../../generator/subject/subject.ts';
import { followLinks } from '../../policy/meaning/linked-path.ts';
import type { AccountTable, Mode, Target } from '../../policy/meaning/policy.ts';
import { parsePolicy } from '../../policy/file/parse.ts';
import { printPolicy } from '../../policy/file/print.ts';
import type { Problem } from '../../policy/file/problem.ts';
import { gapsOf } from '../../profiler/read/stretch.ts';
import { openReader, type RecordingSummary } from '../../profiler/read/read.ts';
import { curveJson, curveText } from '../report/curve.ts';
import { readDenyList } from '../option/deny-list.ts';
import {
  generateJson,
  generateSummary,
  mergeJson,
  mergeSummary,
  risksJson,
  risksText,
  SHOWN,
} from '../report/generate-summary.ts';
import { describeLinks, isFollowable, realPaths } from '../option/linked-path.ts';
import { accountsFor } from '../option/account-table.ts';
import { type MadeFile, writeOutput } from '../option/output-file.ts';
import { readOwners } from '../option/owner-list.ts';
import { parseText, readPolicyText, readTrustedPolicyText } from '../option/policy-file.ts';
import { warnAtOnce } from '../option/policy-reader.ts';
import { describeGaps } from '../report/gap.ts';
import { windowOf, type RecordOptions } from '../option/record-option.ts';
import { packageVersion } from '../report/version.ts';

/** What `generate` was asked for, as commander hands it over. */
export interface GenerateOptions extends RecordOptions {
  mode: Mode;
  target: Target;
  deny: string[];
  allowLoss: boolean;
  includeDenied: boolean;
  allowCommandRules: boolean;
  by: SubjectKind;
  destinations: DestinationKind;
  layout: 'rules' | 'flat';
  evidence: 'line' | 'full';
  exactPorts: boolean;
  maxCidrs?: number | 'auto';
  curve: boolean;
  summary: boolean;
  owners?: string;
  minCoverage?: number;
  /** In a fleet: the largest share of what a host did that no other showed. */
  maxHostHoldout?: number;
  require?: 'stable';
  prove: boolean;
  base?: string;
  check: boolean;
  output: string;
  /** Whose the output is; absent: who runs this. */
  owner?: MadeFile['owner'];
  json: boolean;
  verbose: boolean;
}

/** Characters of the largest policy that is read again, in about a second. */
const CHECKED = 500_000;

/** Writes the policy that explains what `read` reads, the record of this host by default, or adds to one what is new. */
export async function generate(options: GenerateOptions, read = readRecord): Promise<void> {
  refuseContradictions(options);
  refuseNames(options);
  refuseBudgets(options);
  const { maxCidrs, owners, ...rest } = options;
  const settings = {
    ...rest,
    deny: readDenyList(options.deny, warnVisibly),
    ...(owners !== undefined && { owners: readOwners(owners, warnVisibly) }),
    // What people have written is kept: a merge adds the paths that were seen.
    ...(options.base === undefined && { acceptsPattern: isFollowable }),
    version: packageVersion(),
  };
  const { input, recordings } = await read(options);
  refuseOtherTarget(recordings, options.target);
  process.stderr.write(visibleLines(describeGaps(recordings)));
  if (options.curve) {
    const { denied, rules } = generatePolicy(input, { ...settings, layout: 'rules' });
    const curve = curveOf(rules, denied);
    writeOutput(options.output, options.json ? curveJson(curve) : curveText(curve));
    return;
  }
  if (options.base !== undefined) {
    // A policy may go by names: what it allows is asked of the events of each.
    const each = { ...input, observations: input.apart ?? input.observations };
    const generated = generatePolicy(each, { ...settings, destinations: 'address', layout: 'rules' });
    await runMerge(options.base, generated, input.accounts, options);
    return;
  }
  const generated = generatePolicy(input, {
    ...settings,
    ...(maxCidrs !== undefined && { maxCidrs }),
    ...(input.apart && { suffixes: (await import('./public-suffix.ts')).suffixes }),
  });
  if (options.summary) {
    const risks = risksOf(generated, input);
    writeOutput(options.output, options.json ? risksJson(risks) : risksText(risks));
    return;
  }
  const text = printPolicy(generated.document);
  const { owner } = options;
  writeOutput(options.output, options.json ? generateJson(text, generated, input) : text, { owner });
  process.stderr.write(generateSummary(generated, input, remarksOnWritten(text), options));
  const faults = faultsOf(generated, options);
  if (faults.length > 0) {
    process.stderr.write(`${faults.map(visible).join('\n')}\n`);
    process.exitCode = 1;
  }
}

/** What `check` says of a policy that was written just now; undefined when that would take too long. */
function remarksOnWritten(text: string): Problem[] | undefined {
  return text.length > CHECKED ? undefined : remarksOn(parsePolicy(text, 'the policy'));
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
  options: GenerateOptions,
): Promise<void> {
  const text = options.check ? readPolicyText(file) : readTrustedPolicyText(file);
  const { count } = sumEvidence(demands.flatMap(({ observations }) => observations));
  const evidence = { count, first: window.first, last: window.last };
  const { links, policy } = followLinks(parseText(text, file, warnAtOnce), realPaths);
  process.stderr.write(describeLinks(links));
  const accounts = await accountsFor(policy, recorded);
  const merged = mergeWithBase({ text, policy }, demands, evidence, accounts, options.destinations);
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
function refuseContradictions(options: GenerateOptions): void {
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
    options.summary && '--summary',
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

/** Budgets by rule are of rules, and of addresses that were seen. */
function refuseBudgets({ layout, maxCidrs, owners }: GenerateOptions): void {
  if (maxCidrs === 'auto' && (layout === 'flat' || owners !== undefined)) {
    const other = layout === 'flat' ? '--layout flat' : '--owners';
    throw new BouhekiError('usage', `--max-cidrs auto does not go with ${other}`, {
      remedy: 'It chooses for each rule how wide it is. Name a number of CIDRs, or leave one of the two out.',
    });
  }
}

/** What has addresses alone cannot go by name; `auto` does not ask for it. */
function refuseNames({ curve, destinations, layout }: GenerateOptions): void {
  if (destinations !== 'name' || (layout !== 'flat' && !curve)) return;
  throw new BouhekiError(
    'usage',
    `--destinations name does not go with ${curve ? '--curve' : '--layout flat'}`,
    { remedy: 'Both have addresses alone. Leave one of the two out.' },
  );
}

/** Why a policy that was written does not do, by what the options ask for. */
function faultsOf(generated: Generated, options: GenerateOptions): string[] {
  const { demands, holdOut, lists, names, readiness, rules } = generated;
  const faults: string[] = [];
  const coverage = holdOut.events === 0 ? 0 : 1 - holdOut.denied / holdOut.events;
  if (options.minCoverage !== undefined && coverage < options.minCoverage) {
    const found = holdOut.events === 0 ? 'nothing to test' : formatPercent(coverage);
    faults.push(
      `Fault: the hold-out covers ${found}, and ${formatPercent(options.minCoverage)} are asked for.`,
    );
  }
  faults.push(...hostFaults(generated, options));
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

function hostFaults({ quorum }: Generated, { maxHostHoldout: most }: GenerateOptions): string[] {
  const share = quorum && unseenByOthers(quorum.holdOut);
  if (most === undefined || (share !== undefined && share <= most)) return [];
  const found =
    share === undefined ? 'there is nothing to test' : `the host hold-out is ${formatPercent(share)}`;
  return [`Fault: ${found}, and at most ${formatPercent(most)} is asked for.`];
}

async function readRecord(
  options: GenerateOptions,
): Promise<{ input: GenerateInput; recordings: RecordingSummary[] }> {
  const reader = await openReader(options.db);
  try {
    const window = windowOf(options);
    const query = { ...window, target: options.target };
    const recordings = await reader.recordings(window);
    const history = await reader.history(query);
    const named = history.observations.some(({ names }) => names !== undefined);
    const apart = named && needsNames(options) && (await reader.observations({ ...query, byNames: true }));
    const input = {
      ...history,
      ...(apart && { apart }),
      accounts: await reader.accounts(),
      losses: await reader.losses(window),
      recordings: recordings.length,
      gaps: gapsOf(recordings),
      interrupted: recordings.filter((recording) => recording.state === 'interrupted').length,
    };
    return { input, recordings };
  } finally {
    reader.close();
  }
}

/** A policy that is added to may go by names, whatever is added goes by. */
function needsNames({ base, curve, destinations, layout }: GenerateOptions): boolean {
  return base !== undefined || (destinations !== 'address' && layout !== 'flat' && !curve);
}

/** A policy for the host from a record of containers alone would cut every other process off. */
function refuseOtherTarget(recordings: readonly RecordingSummary[], target: Target): void {
  if (target === 'container' || !recordings.some((recording) => recording.target === 'container')) return;
  throw new BouhekiError('no-data', 'a recording in this window holds connections of containers only', {
    remedy: 'Generate with --target container, or leave that recording out with --since and --until.',
  });
}
