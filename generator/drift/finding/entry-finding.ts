import { formatTime } from '../../../format/moment.ts';
import { formatCount } from '../../../format/number.ts';
import type { Policy } from '../../../policy/meaning/policy.ts';
import type { Case } from '../drift.ts';
import { type DriftEntry, endpoint } from '../entry.ts';
import { Fixes } from './fix.ts';
import type { Finding, FindingKind, Severity } from './finding.ts';

/** What is known of a case beyond its part of the report. */
export interface Refinement {
  kind: FindingKind;
  evidence: string[];
}

/**
 * A finding for each destination of a subject; addresses that were known by one name are one destination. `refine` says
 * what more is known of a case.
 */
export function entryFindings(
  policy: Policy,
  cases: readonly Case[],
  refine: (each: Case) => Refinement | undefined = () => undefined,
): Finding[] {
  const findings = new Map<string, Finding>();
  const fixes = new Fixes(policy);
  for (const each of cases) {
    const refinement = refine(each);
    const kind = refinement?.kind ?? each.part;
    const key = keyOf(each);
    const known = findings.get(key);
    if (known !== undefined) {
      addCase(known, each);
      continue;
    }
    const evidence = refinement?.evidence ?? [];
    findings.set(key, findingOf(each, { kind, key, evidence, suggestion: fixes.fixOf(each) }));
  }
  return [...findings.values()].map(withEvidence);
}

/**
 * A destination by name is that of all its addresses, which come and go. That something has moved may be known only
 * later, and makes no other finding of it.
 */
function keyOf({ entry, part, party }: Case): string {
  const { address, names, port, protocol, socket } = entry;
  return JSON.stringify([part, party.key, socket ?? [names?.[0] ?? address, port, protocol]]);
}

function findingOf(
  { entry }: Case,
  { evidence, key, kind, suggestion }: Pick<Finding, 'kind' | 'key' | 'evidence' | 'suggestion'>,
): Finding {
  const { count, first, last, rule, subject } = entry;
  return {
    kind,
    severity: severityOf(kind, entry),
    key,
    subject,
    destination: endpoint(entry),
    ...(rule && { rule }),
    count,
    first,
    last,
    evidence,
    suggestion,
    entries: [entry],
  };
}

function addCase(finding: Finding, { entry }: Case): void {
  finding.entries.push(entry);
  finding.count += entry.count;
  finding.first = Math.min(finding.first!, entry.first);
  finding.last = Math.max(finding.last!, entry.last);
}

/** What went through unseen is worst; what a deny rule names was meant not to happen. */
function severityOf(kind: FindingKind, { rule }: DriftEntry): Severity {
  switch (kind) {
    case 'new':
    case 'identity changed':
      return 'high';
    case 'denied':
      return rule?.relation === 'denied by' ? 'high' : 'medium';
    case 'moved':
    case 'disagreed':
    case 'surge':
      return 'medium';
    case 'unused':
    case 'shared':
      return 'low';
  }
}

function withEvidence(finding: Finding): Finding {
  const { count, entries, evidence, first, last } = finding;
  const addresses = entries.length > 1 ? [`${entries.length} addresses have this name`] : [];
  const when =
    first === last ? `at ${formatTime(first!)}` : `from ${formatTime(first!)} to ${formatTime(last!)}`;
  return { ...finding, evidence: [`${formatCount(count, 'event')} ${when}`, ...addresses, ...evidence] };
}
