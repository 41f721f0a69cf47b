import type { DriftEntry } from '../entry.ts';

/** What a finding says, in the order in which a report has them. */
export const FINDING_KINDS = [
  'new',
  'identity changed',
  'moved',
  'denied',
  'disagreed',
  'surge',
  'unused',
  'shared',
] as const;
export type FindingKind = (typeof FINDING_KINDS)[number];

/** The worst first. */
export const SEVERITIES = ['high', 'medium', 'low'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** One difference between traffic and policy that somebody has to decide on. */
export interface Finding {
  kind: FindingKind;
  severity: Severity;
  /** What the finding is about, and nothing that changes with more traffic: findings of two reports with equal keys are one. */
  key: string;
  /** Who, as a rule would name it; of a finding about a rule, the rule. */
  subject: string;
  /** Where, or what of a rule. */
  destination: string;
  rule?: DriftEntry['rule'];
  /** Events, and when the first and the last of them were. Absent where there are none. */
  count: number;
  first?: number;
  last?: number;
  /** Sentences, without a full stop. */
  evidence: string[];
  /** One line: what would settle it. */
  suggestion: string;
  /** In a fleet: who showed it. */
  hosts?: FindingHosts;
  /** What was observed, by address. */
  entries: DriftEntry[];
}

/** The hosts of a fleet that showed what a finding is about. */
export interface FindingHosts {
  shown: number;
  /** All that count. */
  of: number;
  names: string[];
}

/** What findings can be grouped by. */
export const GROUPINGS = ['subject', 'rule', 'destination'] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** Findings of one kind that belong together, the worst first. */
export interface FindingGroup<F extends Finding = Finding> {
  kind: FindingKind;
  severity: Severity;
  findings: F[];
  /** Events of all. */
  count: number;
}

/** Groups findings by these, each kind for itself. The worst group is first; of equals the one of most events. */
export function groupFindings<F extends Finding>(
  findings: readonly F[],
  by: readonly Grouping[],
): FindingGroup<F>[] {
  const groups = new Map<string, FindingGroup<F>>();
  for (const finding of worstFirst(findings)) {
    const { count, kind, severity } = finding;
    const key = JSON.stringify([kind, ...by.map((each) => valueOf(finding, each))]);
    const group = groups.get(key);
    if (group === undefined) {
      groups.set(key, { kind, severity, findings: [finding], count });
    } else {
      group.findings.push(finding);
      group.count += count;
    }
  }
  return [...groups.values()].toSorted(
    (a, b) => rank(a) - rank(b) || b.count - a.count || compareKeys(a.findings[0]!, b.findings[0]!),
  );
}

/** Findings in the order in which they should be looked at. */
export function worstFirst<F extends Finding>(findings: readonly F[]): F[] {
  return findings.toSorted((a, b) => rank(a) - rank(b) || b.count - a.count || compareKeys(a, b));
}

function valueOf({ destination, rule, subject }: Finding, by: Grouping): string {
  switch (by) {
    case 'subject':
      return subject;
    case 'rule':
      return rule === undefined ? '' : `${rule.relation} ${rule.name}`;
    case 'destination':
      return destination;
  }
}

function rank({ kind, severity }: Pick<Finding, 'kind' | 'severity'>): number {
  return SEVERITIES.indexOf(severity) * FINDING_KINDS.length + FINDING_KINDS.indexOf(kind);
}

function compareKeys(a: Finding, b: Finding): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
