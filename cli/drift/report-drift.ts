import { visible } from '../../error/visible.ts';
import { formatCount } from '../../format/number.ts';
import { changesOf } from '../../generator/drift/change.ts';
import { compare, type Drift, driftOf } from '../../generator/drift/drift.ts';
import { allFindings } from '../../generator/drift/all-findings.ts';
import type { Finding, FindingKind, Grouping } from '../../generator/drift/finding.ts';
import { WatchedTime } from '../../generator/drift/silence.ts';
import { sumEvidence } from '../../generator/subject/evidence.ts';
import { describeLosses } from '../../generator/header.ts';
import { unseenNames } from '../../generator/drift/unseen-name.ts';
import { namesHosts } from '../../policy/meaning/known-name.ts';
import { isJudged } from '../../policy/meaning/evaluate.ts';
import { followLinks } from '../../policy/meaning/linked-path.ts';
import { prefixOf } from '../../policy/value/cidr.ts';
import type { Parsed } from '../../policy/file/parse.ts';
import type { Policy } from '../../policy/meaning/policy.ts';
import type { Accounts } from '../../profiler/read/observation.ts';
import {
  isEventLoss,
  openReader,
  type Loss,
  type RecordedObservation,
  type RecordingSummary,
} from '../../profiler/read/read.ts';
import { identify } from './format/identify.ts';
import { reportOf } from './format/report.ts';
import type { Format } from './format/format-name.ts';
import { RENDERERS } from './format/renderer.ts';
import { viewOf } from '../terminal/view.ts';
import { describeLinks, realPaths } from '../option/linked-path.ts';
import { accountsFor } from '../option/account-table.ts';
import { readOwners } from '../option/owner-list.ts';
import { parseWithPlaces, readPolicyText } from '../option/policy-file.ts';
import { warnAtOnce } from '../option/policy-reader.ts';
import { windowOf, type RecordOptions } from '../option/record-option.ts';

/** What `drift` was asked for, as commander hands it over. */
export interface DriftOptions extends RecordOptions {
  format: Format;
  json: boolean;
  intents: boolean;
  wide: boolean;
  groupBy: Grouping[];
  /** Groups at the most, 0 for all. */
  limit: number;
  /** Seconds. */
  unusedAfter: number;
  owners?: string;
}

/** Prints how the record and a policy differ. */
export async function reportDrift(file: string, options: DriftOptions): Promise<void> {
  const parsed = parseWithPlaces(readPolicyText(file), file, warnAtOnce);
  const { policy, links } = followLinks(parsed.policy, realPaths);
  const record = await readRecord(policy, options);
  const { accounts, observations, past } = record;
  const naming = { accounts, called: await accountsFor(policy, accounts) };
  const comparison = compare(policy, observations, naming);
  const drift = driftOf(comparison);
  const owners = options.owners === undefined ? undefined : readOwners(options.owners, warnAtOnce);
  const before = compare(policy, past, naming).allowed;
  const found = allFindings(policy, {
    now: comparison,
    ...(options.since !== undefined && { past: { allowed: before, since: options.since } }),
    watched: record.watched,
    unusedAfter: options.unusedAfter * 1_000_000,
    ...(owners && { ownerOf: (address) => owners.find(prefixOf(address))?.owner }),
  });
  const findings = identify(found);
  const changes = changesOf(comparison.cases, [...before, ...comparison.allowed]);
  const report = reportOf(
    { policy: file, lines: linesOf(parsed), drift, changes, findings },
    { by: options.groupBy, limit: options.limit },
  );
  const view = viewOf(process.stdout, options.wide);
  process.stdout.write(RENDERERS[options.json ? 'json' : options.format](report, view));
  const unseen = unseenNames(policy, observations);
  process.stderr.write(`${describeLinks(links)}${summary(drift, found, record)}${describeUnseen(unseen)}`);
  if (entriesOf(drift) > 0) process.exitCode = 1;
}

/** Where rules begin in the policy's text, by their names. */
function linesOf({ locationOf, policy }: Required<Parsed>): Map<string, number> {
  const lines = new Map<string, number>();
  for (const [index, { name }] of policy.boxes.entries()) {
    if (!lines.has(name)) lines.set(name, locationOf(index).line);
  }
  return lines;
}

function entriesOf(drift: Drift): number {
  return drift.new.length + drift.denied.length + drift.disagreed.length;
}

interface Evidence {
  observations: RecordedObservation[];
  /** What was recorded before the window. */
  past: RecordedObservation[];
  watched: WatchedTime;
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
    const wanted = { intents: options.intents, byNames };
    const ofPolicy = ({ subject, verdict }: RecordedObservation): boolean =>
      verdict === 'deny' || isJudged(policy, subject);
    const observations = (await reader.observations({ ...window, ...wanted })).filter(ofPolicy);
    const before =
      options.since === undefined ? [] : await reader.observations({ until: options.since, ...wanted });
    const past = before.filter(ofPolicy);
    const denied = await reader.observations({ ...window, intents: true, verdict: 'deny' });
    const shown = observations.filter((each) => each.verdict === 'deny');
    return {
      observations,
      past,
      watched: watchedTime(await reader.recordings(), [...past, ...observations], options.until),
      accounts: await reader.accounts(),
      hidden: events(denied) - events(shown),
      losses: await reader.losses(window),
    };
  } finally {
    reader.close();
  }
}

/**
 * The time in which anything would have been recorded. What was imported says nothing of when it was: its own first and
 * last events stand for that.
 */
function watchedTime(
  recordings: readonly RecordingSummary[],
  observations: readonly RecordedObservation[],
  until = Infinity,
): WatchedTime {
  const spans = recordings
    .filter(({ backend }) => backend !== 'import')
    .map(({ endedAt, startedAt }) => ({ start: startedAt, end: endedAt }));
  if (spans.length < recordings.length && observations.length > 0) {
    const { first, last } = sumEvidence(observations);
    spans.push({ start: first, end: last });
  }
  return new WatchedTime(spans.map(({ end, start }) => ({ start, end: Math.min(end, until) })));
}

function summary(
  drift: Drift,
  findings: readonly Finding[],
  { hidden, losses, observations }: Evidence,
): string {
  const total = formatCount(events(observations), 'event');
  const lines: string[] = [];
  if (entriesOf(drift) > 0) {
    const disagreed = drift.disagreed.length > 0 ? `, ${drift.disagreed.length} disagreed` : '';
    lines.push(`Drift: ${drift.new.length} new, ${drift.denied.length} denied${disagreed}, in ${total}.`);
  } else if (observations.length > 0)
    lines.push(`No drift: the policy allows all that was recorded (${total}).`);
  else lines.push('No drift to see: nothing was recorded in this window.');
  lines.push(...describeOthers(findings));
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

/** Kinds that the first line does not count by themselves. */
const OTHERS: readonly FindingKind[] = ['identity changed', 'moved', 'surge', 'unused'];

/** `Among them: 1 moved. Also: 2 unused.` */
function describeOthers(findings: readonly Finding[]): string[] {
  const counts = OTHERS.map((kind) => ({
    kind,
    count: findings.filter((each) => each.kind === kind).length,
  }));
  const text = (kinds: readonly FindingKind[]): string =>
    counts
      .filter(({ count, kind }) => count > 0 && kinds.includes(kind))
      .map(({ count, kind }) => `${count} ${kind}`)
      .join(', ');
  const [among, beside] = [text(['identity changed', 'moved']), text(['surge', 'unused'])];
  return [
    ...(among === '' ? [] : [`Among them: ${among}.`]),
    ...(beside === '' ? [] : [`Allowed, but worth a look: ${beside}.`]),
  ];
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
