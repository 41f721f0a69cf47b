import { formatTime } from '../../../format/moment.ts';
import { formatCount, formatPercent } from '../../../format/number.ts';
import type { Change } from '../../../generator/drift/finding/change.ts';
import { ruleText } from '../../../generator/drift/entry.ts';
import type { OutlierHost } from '../../../generator/drift/finding/outlier.ts';
import {
  FINDING_KINDS,
  type FindingGroup,
  type FindingHosts,
  type FindingKind,
} from '../../../generator/drift/finding/finding.ts';
import type { Reported } from './identify.ts';

/** A part of a drift report. Cells are as they were recorded: the reporter makes them safe to print. */
export interface DriftSection {
  title: string;
  groups: DriftRows[];
}

/** The findings of a group that are shown, and what would settle them. */
interface DriftRows {
  rows: string[][];
  fix: string;
}

/** The columns of every section. */
export const DRIFT_COLUMNS = ['Subject', 'Destination', 'Count', 'First', 'Last', 'Id', 'Rule'];

/** Findings of a group that are shown. */
const MOST_FINDINGS = 5;

const TITLES: Record<FindingKind, string> = {
  new: 'New: connections that the policy would not allow',
  'identity changed': 'Identity changed: another program goes where an allowed one went',
  moved: 'Moved: another address in the place of one that is allowed',
  denied: 'Denied: attempts that were stopped',
  disagreed: 'Disagreed: the kernel decided otherwise than this policy reads',
  surge: 'Surge: far more than before',
  unused: 'Unused: allowed, and silent for longer than it should be',
  shared: 'Shared: allowed by a name that only others asked for',
};

/** What a kind of finding means, in a line. */
export function titleOf(kind: FindingKind): string {
  return TITLES[kind];
}

/** The sections that have something to say. */
export function driftSections(groups: readonly FindingGroup<Reported>[]): DriftSection[] {
  return FINDING_KINDS.map((kind) => ({
    title: TITLES[kind],
    groups: groups.filter((group) => group.kind === kind).map(rowsOf),
  })).filter((section) => section.groups.length > 0);
}

function rowsOf({ findings }: FindingGroup<Reported>): DriftRows {
  const shown = findings.slice(0, MOST_FINDINGS);
  const rest = findings.slice(shown.length);
  const rows = shown.map(cells);
  if (rest.length > 0) {
    const count = rest.reduce((sum, each) => sum + each.count, 0);
    rows.push(['', `and ${formatCount(rest.length, 'more', 'more')}`, String(count), '', '', '', '']);
  }
  const [worst] = findings;
  const alike = findings.length === 1 ? '' : `, and so for the other ${findings.length - 1}`;
  return { rows, fix: `${worst!.suggestion}${alike}` };
}

function cells({ count, destination, first, id, last, subject, ...finding }: Reported): string[] {
  return [
    subject,
    destination,
    String(count),
    first === undefined ? '-' : formatTime(first),
    last === undefined ? '-' : formatTime(last),
    id,
    reasonOf(finding),
  ];
}

/** Of findings that are more than a connection the evidence, of others the rule alone. */
function reasonOf({
  entries,
  evidence,
  hosts,
  kind,
}: Pick<Reported, 'entries' | 'evidence' | 'hosts' | 'kind'>): string {
  const [entry] = entries;
  const rule = entry === undefined ? [] : [ruleText(entry)];
  const known = kind === 'moved' || kind === 'identity changed' ? evidence.slice(1) : [];
  const shown = hosts === undefined ? [] : [hostsText(hosts)];
  return [...shown, ...(entry === undefined ? evidence : known), ...rule].join('; ');
}

/** Hosts that are named in a line. */
const MOST_HOSTS = 3;

/** `2 of 200 hosts: web-1, web-2`. */
function hostsText({ names, of, shown }: FindingHosts): string {
  const more = names.length > MOST_HOSTS ? ` and ${names.length - MOST_HOSTS} more` : '';
  return `${shown} of ${formatCount(of, 'host')}: ${names.slice(0, MOST_HOSTS).join(', ')}${more}`;
}

/** The columns of outlier hosts. */
export const OUTLIER_COLUMNS = ['Host', 'Alone', 'Shown', 'Usual'];

export const OUTLIER_TITLE = 'Outlier hosts: far more that no other host showed than is usual';

export function outlierCells({ alone, host, shown, usual }: OutlierHost): string[] {
  return [host, String(alone), String(shown), formatPercent(usual)];
}

/** The columns of changes. */
export const CHANGE_COLUMNS = ['Subject', 'Since', 'Destinations', 'Events', 'Usual'];

export const CHANGE_TITLE =
  'Changed: more that is not allowed, at once, than the subject ever did that was new';

export function changeCells({ destinations, events, first, subject, usual }: Change): string[] {
  return [subject, formatTime(first), String(destinations), String(events), formatPercent(usual)];
}
