import { formatTime } from '../../../format/moment.ts';
import { visible } from '../../../error/visible.ts';
import { jsonLine } from '../../terminal/json-document.ts';
import type { Reported } from '../format/identify.ts';
import { plainFinding } from '../format/json.ts';

/** What is sent about findings: a document on one line, `bouheki.findings/v1`. */
export function noticeOf(policy: string, findings: readonly Reported[]): string {
  return jsonLine('findings', { policy, findings: findings.map(plainFinding) });
}

/** A finding as a line for people; `at`, microseconds since the epoch, is when it was found. */
export function findingLine(finding: Reported, at: number): string {
  const { destination, id, kind, severity, subject, suggestion } = finding;
  return `${visible(`${formatTime(at)} ${kind} (${severity}) ${subject}: ${destination} (${id}). Fix: ${suggestion}`)}\n`;
}
