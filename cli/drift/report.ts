import type { Drift } from '../../generator/drift/drift.ts';
import { type FindingGroup, type Grouping, groupFindings } from '../../generator/drift/finding.ts';
import type { Reported } from './identify.ts';

/** What every format prints. */
export interface DriftReport {
  /** The policy file as it was given. */
  policy: string;
  drift: Drift;
  /** The worst first, none left out. */
  findings: Reported[];
  /** The groups to print, the worst first, and how many findings are in those that are not. */
  groups: FindingGroup<Reported>[];
  left: { groups: number; findings: number };
}

/** Groups the findings; at most `limit` groups are printed, 0 for all. */
export function reportOf(
  policy: string,
  drift: Drift,
  findings: readonly Reported[],
  { by, limit }: { by: readonly Grouping[]; limit: number },
): DriftReport {
  const all = groupFindings(findings, by);
  const groups = limit === 0 ? all : all.slice(0, limit);
  const rest = all.slice(groups.length);
  return {
    policy,
    drift,
    findings: all.flatMap((group) => group.findings),
    groups,
    left: { groups: rest.length, findings: rest.reduce((sum, each) => sum + each.findings.length, 0) },
  };
}
