import { allFindings } from '../../generator/drift/finding/all-findings.ts';
import { type Change, changesOf } from '../../generator/drift/finding/change.ts';
import { compare, type Comparison, type Naming } from '../../generator/drift/drift.ts';
import type { Finding, FindingKind, Grouping } from '../../generator/drift/finding/finding.ts';
import type { Parsed } from '../../policy/file/parse.ts';
import { followLinks } from '../../policy/meaning/linked-path.ts';
import type { Policy } from '../../policy/meaning/policy.ts';
import { prefixOf } from '../../policy/value/cidr.ts';
import { accountsFor } from '../option/account-table.ts';
import { describeUnknownHost, judgedHost } from '../option/fleet-host.ts';
import { realPaths } from '../option/linked-path.ts';
import { readOwners } from '../option/owner-list.ts';
import { parseWithPlaces, readPolicyText, type Warn } from '../option/policy-file.ts';
import type { RecordOptions } from '../option/record-option.ts';
import { type Evidence, readEvidence } from './evidence.ts';
import type { Format } from './format/format-name.ts';
import { identify, type Reported } from './format/identify.ts';
import { readAcknowledgements } from './ignore-file.ts';
import { readLastReport, rememberReport } from './last-report.ts';
import { select, type Selection } from './selection.ts';

/** What `drift` was asked for, as commander hands it over. */
export interface DriftOptions extends Omit<RecordOptions, 'since'> {
  /** `last`: since what was reported last. */
  since?: number | 'last';
  /** The host of a fleet that the record is of; absent: this one. */
  host?: string[];
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

/** What is found in a record under a policy. */
export interface Assessment {
  /** The policy's text, what it says, and that with links followed. */
  text: string;
  parsed: Required<Parsed>;
  policy: Policy;
  links: ReadonlyMap<string, readonly string[]>;
  evidence: Evidence;
  comparison: Comparison;
  naming: Naming;
  changes: Change[];
  /** All findings, and which of them are to be reported. */
  all: Reported[];
  selection: Selection;
  /** When the window begins, microseconds since the epoch; undefined where it is the whole record. */
  since: number | undefined;
}

/** Reads the policy and the record, and compares them. `since`: what was reported last is left out. */
export async function assess(file: string, options: DriftOptions, warn: Warn): Promise<Assessment> {
  const text = readPolicyText(file);
  const parsed = parseWithPlaces(text, file, warn);
  const { policy, links } = followLinks(parsed.policy, realPaths);
  const unknown = describeUnknownHost(policy, judgedHost(options.host));
  if (unknown !== '') warn(unknown);
  const acknowledgements = options.ignore === undefined ? [] : readAcknowledgements(options.ignore);
  const { since: _since, ...rest } = options;
  const last = options.since === 'last' ? readLastReport(options.db, file) : undefined;
  const since = options.since === 'last' ? last?.until : options.since;
  const evidence = await readEvidence(policy, { ...rest, ...(since !== undefined && { since }) });
  const { found, ...judged } = await judge(policy, evidence, { ...rest, since, warn });
  const all = identify(found);
  const selection = select(all, acknowledgements, new Set(last?.ids), Date.now() * 1000);
  return { text, parsed, policy, links, evidence, ...judged, all, selection, since };
}

/** Remembers what was reported, so that the next report since the last one leaves it out. */
export function rememberAll(
  file: string,
  { db }: Pick<DriftOptions, 'db'>,
  { all, evidence, since }: Pick<Assessment, 'all' | 'evidence' | 'since'>,
): void {
  const until = evidence.observations.reduce((latest, each) => Math.max(latest, each.last + 1), since ?? 0);
  rememberReport(db, file, { until, ids: all.map(({ id }) => id) });
}

/** What evidence is under a policy. */
export async function judge(
  policy: Policy,
  { accounts, elsewhere, observations, past, watched }: Evidence,
  {
    owners,
    since,
    unusedAfter,
    warn,
  }: Pick<DriftOptions, 'owners' | 'unusedAfter'> & { since: number | undefined; warn: Warn },
) {
  const naming = { accounts, called: await accountsFor(policy, accounts) };
  const now = compare(policy, observations, naming);
  const before = compare(policy, past, naming).allowed;
  const table = owners === undefined ? undefined : readOwners(owners, warn);
  const found = allFindings(policy, {
    now,
    ...(since !== undefined && { past: { allowed: before, since } }),
    watched,
    unusedAfter: unusedAfter * 1_000_000,
    at: Date.now() * 1000,
    ...(table && { ownerOf: (address) => table.find(prefixOf(address))?.owner }),
  });
  const changes = changesOf(now.cases, [...before, ...now.allowed]);
  const isHere = ({ kind, rule }: Finding): boolean =>
    kind !== 'unused' || rule === undefined || elsewhere?.has(rule.name) !== true;
  return { comparison: now, naming, changes, found: found.filter(isHere) };
}
