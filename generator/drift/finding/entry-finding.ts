import { formatTime } from '../../../format/moment.ts';
import { formatCount } from '../../../format/number.ts';
import { explainFlow } from '../../../policy/analysis/explain.ts';
import type { Policy } from '../../../policy/meaning/policy.ts';
import type { Case } from '../drift.ts';
import { type DriftEntry, endpoint } from '../entry.ts';
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
  for (const each of cases) {
    const refinement = refine(each);
    const kind = refinement?.kind ?? each.part;
    const key = keyOf(each);
    const known = findings.get(key);
    if (known === undefined)
      findings.set(key, findingOf(policy, each, kind, key, refinement?.evidence ?? []));
    else addCase(known, each);
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
  policy: Policy,
  { entry, flow, part }: Case,
  kind: FindingKind,
  key: string,
  evidence: string[],
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
    suggestion: suggestionFor(part, explainFlow(policy, flow).fix),
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

function suggestionFor(part: Case['part'], fix: string | undefined): string {
  if (part === 'shared') return 'allow the name that the program asks for, or leave it';
  if (fix === undefined) return 'nothing to add: this policy allows it';
  return fix;
}

function withEvidence(finding: Finding): Finding {
  const { count, entries, evidence, first, last } = finding;
  const addresses = entries.length > 1 ? [`${entries.length} addresses have this name`] : [];
  const when =
    first === last ? `at ${formatTime(first!)}` : `from ${formatTime(first!)} to ${formatTime(last!)}`;
  return { ...finding, evidence: [`${formatCount(count, 'event')} ${when}`, ...addresses, ...evidence] };
}
