import { visible } from '../../error/visible.ts';
import { formatCount } from '../../format/number.ts';
import { compare, type Drift, driftOf } from '../../generator/drift/drift.ts';
import { entryFindings } from '../../generator/drift/entry-finding.ts';
import type { Grouping } from '../../generator/drift/finding.ts';
import { describeLosses } from '../../generator/header.ts';
import { unseenNames } from '../../generator/drift/unseen-name.ts';
import { namesHosts } from '../../policy/meaning/known-name.ts';
import { isJudged } from '../../policy/meaning/evaluate.ts';
import { followLinks } from '../../policy/meaning/linked-path.ts';
import type { Policy } from '../../policy/meaning/policy.ts';
import type { Accounts } from '../../profiler/read/observation.ts';
import { isEventLoss, openReader, type Loss, type RecordedObservation } from '../../profiler/read/read.ts';
import { identify } from './identify.ts';
import { driftJson } from './json.ts';
import { driftMarkdown } from './markdown.ts';
import { reportOf } from './report.ts';
import { driftText } from './text.ts';
import { viewOf } from '../terminal/view.ts';
import { describeLinks, realPaths } from '../option/linked-path.ts';
import { accountsFor } from '../option/account-table.ts';
import { readPolicy } from '../option/policy-reader.ts';
import { windowOf, type RecordOptions } from '../option/record-option.ts';

/** What `drift` was asked for, as commander hands it over. */
export interface DriftOptions extends RecordOptions {
  format: 'text' | 'json' | 'markdown';
  json: boolean;
  intents: boolean;
  wide: boolean;
  groupBy: Grouping[];
  /** Groups at the most, 0 for all. */
  limit: number;
}

/** Prints how the record and a policy differ. */
export async function reportDrift(file: string, options: DriftOptions): Promise<void> {
  const { policy, links } = followLinks(await readPolicy(file), realPaths);
  const record = await readRecord(policy, options);
  const { accounts, observations } = record;
  const called = await accountsFor(policy, accounts);
  const comparison = compare(policy, observations, { accounts, called });
  const drift = driftOf(comparison);
  const findings = identify(entryFindings(policy, comparison.cases));
  const report = reportOf(file, drift, findings, { by: options.groupBy, limit: options.limit });
  const view = viewOf(process.stdout, options.wide);
  process.stdout.write(RENDERERS[options.json ? 'json' : options.format](report, view));
  const unseen = unseenNames(policy, observations);
  process.stderr.write(`${describeLinks(links)}${summary(drift, record)}${describeUnseen(unseen)}`);
  if (entriesOf(drift) > 0) process.exitCode = 1;
}

function entriesOf(drift: Drift): number {
  return drift.new.length + drift.denied.length + drift.disagreed.length;
}

const RENDERERS = { json: driftJson, markdown: driftMarkdown, text: driftText };

interface Evidence {
  observations: RecordedObservation[];
  accounts: Accounts;
  /** Events of denied UDP connects that sent nothing and were not asked for. */
  hidden: number;
  losses: Loss[];
}

async function readRecord(policy: Policy, options: DriftOptions): Promise<Evidence> {
  const reader = await openReader(options.db);
  try {
    const window = windowOf(options);
    // What was denied outside containers is told of too where the policy judges containers alone.
    const byNames = namesHosts(policy);
    const all = await reader.observations({ ...window, intents: options.intents, byNames });
    const observations = all.filter(
      ({ subject, verdict }) => verdict === 'deny' || isJudged(policy, subject),
    );
    const denied = await reader.observations({ ...window, intents: true, verdict: 'deny' });
    const shown = observations.filter((each) => each.verdict === 'deny');
    return {
      observations,
      accounts: await reader.accounts(),
      hidden: events(denied) - events(shown),
      losses: await reader.losses(window),
    };
  } finally {
    reader.close();
  }
}

function summary(drift: Drift, { hidden, losses, observations }: Evidence): string {
  const total = formatCount(events(observations), 'event');
  const lines: string[] = [];
  if (entriesOf(drift) > 0) {
    const disagreed = drift.disagreed.length > 0 ? `, ${drift.disagreed.length} disagreed` : '';
    lines.push(`Drift: ${drift.new.length} new, ${drift.denied.length} denied${disagreed}, in ${total}.`);
  } else if (observations.length > 0)
    lines.push(`No drift: the policy allows all that was recorded (${total}).`);
  else lines.push('No drift to see: nothing was recorded in this window.');
  const shared = drift.shared.reduce((sum, { count }) => sum + count, 0);
  if (shared > 0)
    lines.push(`Allowed by a name that only others asked for: ${formatCount(shared, 'event')}.`);
  if (hidden > 0) {
    lines.push(`Denied too: ${formatCount(hidden, 'UDP connect')} with nothing sent; list with --intents.`);
  }
  const lost = losses.filter(isEventLoss);
  if (lost.length > 0) lines.push(`The record lacks events: ${describeLosses(lost)}.`);
  const answers = losses.filter(({ kind }) => kind === 'answer').reduce((sum, { count }) => sum + count, 0);
  if (answers > 0) {
    lines.push(`${formatCount(answers, 'answer')} of resolvers were not read: names may be missing.`);
  }
  return `${lines.join('\n')}\n`;
}

/** Names that one line has at the most. */
const MOST_NAMES = 8;

function describeUnseen(names: readonly string[]): string {
  if (names.length === 0) return '';
  const rest = names.length - MOST_NAMES;
  const more = rest > 0 ? ` and ${rest} more` : '';
  return (
    visible(`Names of the policy that were never seen: ${names.slice(0, MOST_NAMES).join(', ')}${more}.`) +
    '\n'
  );
}

function events(observations: readonly RecordedObservation[]): number {
  return observations.reduce((sum, each) => sum + each.count, 0);
}
