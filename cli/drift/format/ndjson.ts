import { jsonLine } from '../../terminal/json-document.ts';
import { plainFinding } from './json.ts';
import type { DriftReport } from './report.ts';

/** Each finding as one line of JSON, the worst first. Nothing is left out, whatever the limit. */
export function driftNdjson({ findings }: DriftReport): string {
  return findings.map((finding) => jsonLine('finding', plainFinding(finding))).join('');
}
