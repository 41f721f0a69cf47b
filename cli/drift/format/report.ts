import type { Change } from '../../../generator/drift/finding/change.ts';
import type { Drift } from '../../../generator/drift/drift.ts';
import {
  type FindingGroup,
  type FindingKind,
  type Grouping,
  groupFindings,
} from '../../../generator/drift/finding/finding.ts';
import type { OutlierHost } from '../../../generator/drift/finding/outlier.ts';
import type { Reported } from './identify.ts';

/** What every format prints. */
export interface DriftReport {
  /** The policy file as it was given. */
  policy: string;
  /** The line of each rule in it. */
  lines: ReadonlyMap<string, number>;
  /** Kinds of findings that the exit status tells of. */
  failing: ReadonlySet<FindingKind>;
  drift: Drift;
  /** Findings that are left out, and why. */
  acknowledged: readonly { finding: Reported; reason: string; end: number }[];
  /** Subjects that do things which are not allowed, and more often than they ever did new things. */
  changes: Change[];
  /** The worst first, none left out. */
  findings: Reported[];
  /** The groups to print, the worst first, and how many findings are in those that are not. */
  groups: FindingGroup<Reported>[];
  left: { groups: number; findings: number };
  /** In a fleet: hosts that differ from the others. */
  outliers?: OutlierHost[];
}

/** What a report is made of. */
export interface ReportParts extends Pick<
  DriftReport,
  'policy' | 'lines' | 'failing' | 'drift' | 'acknowledged' | 'changes' | 'outliers'
> {
  findings: readonly Reported[];
}

/** Groups the findings; at most `limit` groups are printed, 0 for all. */
export function reportOf(
  { findings, ...parts }: ReportParts,
  { by, limit }: { by: readonly Grouping[]; limit: number },
): DriftReport {
  const all = groupFindings(findings, by);
  const groups = limit === 0 ? all : all.slice(0, limit);
  const rest = all.slice(groups.length);
  return {
    ...parts,
    findings: all.flatMap((group) => group.findings),
    groups,
    left: { groups: rest.length, findings: rest.reduce((sum, each) => sum + each.findings.length, 0) },
  };
}
