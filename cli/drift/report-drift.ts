import { allFindings } from '../../generator/drift/finding/all-findings.ts';
import { changesOf } from '../../generator/drift/finding/change.ts';
import { compare, driftOf } from '../../generator/drift/drift.ts';
import type { FindingKind, Grouping } from '../../generator/drift/finding/finding.ts';
import { unseenNames } from '../../generator/drift/unseen-name.ts';
import { type Parsed, parsePolicy } from '../../policy/file/parse.ts';
import { followLinks } from '../../policy/meaning/linked-path.ts';
import type { Policy } from '../../policy/meaning/policy.ts';
import { prefixOf } from '../../policy/value/cidr.ts';
import { accountsFor } from '../option/account-table.ts';
import { describeLinks, realPaths } from '../option/linked-path.ts';
import { readOwners } from '../option/owner-list.ts';
import { parseWithPlaces, readPolicyText } from '../option/policy-file.ts';
import { warnAtOnce } from '../option/policy-reader.ts';
import type { RecordOptions } from '../option/record-option.ts';
import { viewOf } from '../terminal/view.ts';
import { type Evidence, readEvidence } from './evidence.ts';
import type { Format } from './format/format-name.ts';
import { identify } from './format/identify.ts';
import { RENDERERS } from './format/renderer.ts';
import { reportOf } from './format/report.ts';
import { readAcknowledgements } from './ignore-file.ts';
import { readLastReport, rememberReport } from './last-report.ts';
import { select } from './selection.ts';
import { suggestPolicy } from './suggest-policy.ts';
import { describeUnseen, summary } from './summary.ts';

/** What `drift` was asked for, as commander hands it over. */
export interface DriftOptions extends Omit<RecordOptions, 'since'> {
  /** `last`: since what was reported last. */
  since?: number | 'last';
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
  ignore?: string;
  suggest: boolean;
  /** Ids or kinds of findings, or `all`. */
  accept?: string[];
  failOn: FindingKind[];
}

/** Prints how the record and a policy differ. */
export async function reportDrift(file: string, options: DriftOptions): Promise<void> {
  const text = readPolicyText(file);
  const parsed = parseWithPlaces(text, file, warnAtOnce);
  const { policy, links } = followLinks(parsed.policy, realPaths);
  const acknowledgements = options.ignore === undefined ? [] : readAcknowledgements(options.ignore);
  const { since: _since, ...rest } = options;
  const last = options.since === 'last' ? readLastReport(options.db, file) : undefined;
  const since = options.since === 'last' ? last?.until : options.since;
  const evidence = await readEvidence(policy, { ...rest, ...(since !== undefined && { since }) });
  const { changes, comparison, found, naming } = await judge(policy, evidence, { ...rest, since });
  const all = identify(found);
  const selection = select(all, acknowledgements, new Set(last?.ids), Date.now() * 1000);
  const { acknowledged, findings } = selection;
  if (options.suggest) {
    const observations = [...evidence.past, ...evidence.observations];
    suggestPolicy(options.accept, findings, { text, comparison, observations, naming, read: readText });
    return;
  }
  const shown = new Set(findings.flatMap(({ entries }) => entries));
  const drift = driftOf({ cases: comparison.cases.filter(({ entry }) => shown.has(entry)) });
  const report = reportOf(
    {
      policy: file,
      lines: linesOf(parsed),
      failing: new Set(options.failOn),
      drift,
      changes,
      acknowledged,
      findings,
    },
    { by: options.groupBy, limit: options.limit },
  );
  const view = viewOf(process.stdout, options.wide);
  process.stdout.write(RENDERERS[options.json ? 'json' : options.format](report, view));
  const unseen = describeUnseen(unseenNames(policy, evidence.observations));
  process.stderr.write(`${describeLinks(links)}${summary(drift, selection, evidence)}${unseen}`);
  if (findings.some(({ kind }) => report.failing.has(kind))) process.exitCode = 1;
  if (options.since !== 'last') return;
  const until = evidence.observations.reduce((latest, each) => Math.max(latest, each.last + 1), since ?? 0);
  rememberReport(options.db, file, { until, ids: all.map(({ id }) => id) });
}

/** What evidence is under a policy. */
async function judge(
  policy: Policy,
  { accounts, observations, past, watched }: Evidence,
  {
    owners,
    since,
    unusedAfter,
  }: Pick<DriftOptions, 'owners' | 'unusedAfter'> & { since: number | undefined },
) {
  const naming = { accounts, called: await accountsFor(policy, accounts) };
  const now = compare(policy, observations, naming);
  const before = compare(policy, past, naming).allowed;
  const table = owners === undefined ? undefined : readOwners(owners, warnAtOnce);
  const found = allFindings(policy, {
    now,
    ...(since !== undefined && { past: { allowed: before, since } }),
    watched,
    unusedAfter: unusedAfter * 1_000_000,
    ...(table && { ownerOf: (address) => table.find(prefixOf(address))?.owner }),
  });
  return { comparison: now, naming, changes: changesOf(now.cases, [...before, ...now.allowed]), found };
}

/** The policy that a changed text is, as this host has it; undefined where it is none. */
function readText(text: string): Policy | undefined {
  const { policy } = parsePolicy(text, 'the suggestion');
  return policy && followLinks(policy, realPaths).policy;
}

/** Where rules begin in the policy's text, by their names. */
function linesOf({ locationOf, policy }: Required<Parsed>): Map<string, number> {
  const lines = new Map<string, number>();
  for (const [index, { name }] of policy.boxes.entries()) {
    if (!lines.has(name)) lines.set(name, locationOf(index).line);
  }
  return lines;
}
