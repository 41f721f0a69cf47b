import { visible } from '../../../error/visible.ts';
import type { FindingGroup, Severity } from '../../../generator/drift/finding/finding.ts';
import type { Reported } from './identify.ts';
import type { DriftReport } from './report.ts';
import { lineOf } from './rule-line.ts';

const COMMANDS: Record<Severity, string> = { high: 'error', medium: 'warning', low: 'notice' };

/**
 * Workflow commands of GitHub Actions, which shows them beside the policy's lines: one for each group, since it shows ten
 * of a kind for a step.
 */
export function driftAnnotations(report: DriftReport): string {
  return report.groups.map((group) => annotation(report, group)).join('');
}

function annotation(report: DriftReport, { findings, kind, severity }: FindingGroup<Reported>): string {
  const [worst] = findings;
  const { destination, id, subject, suggestion } = worst!;
  const more = findings.length === 1 ? '' : ` and ${findings.length - 1} more`;
  const properties = {
    file: report.policy,
    line: String(lineOf(report, worst!)),
    title: `${kind}: ${subject}`,
  };
  const listed = Object.entries(properties).map(([name, value]) => `${name}=${escapeProperty(value)}`);
  const message = `${destination}${more} (${id}). Fix: ${suggestion}`;
  return `::${COMMANDS[severity]} ${listed.join(',')}::${escapeMessage(message)}\n`;
}

/** As the runner's own toolkit escapes them: nothing that a program chose may end the command and begin another. */
function escapeMessage(text: string): string {
  return visible(text).replaceAll('%', '%25');
}

function escapeProperty(text: string): string {
  return escapeMessage(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
