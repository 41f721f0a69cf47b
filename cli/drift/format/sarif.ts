import { pathToFileURL } from 'node:url';
import { printJson } from '../../../error/visible.ts';
import { FINDING_KINDS, type FindingKind, type Severity } from '../../../generator/drift/finding/finding.ts';
import type { Reported } from './identify.ts';
import type { DriftReport } from './report.ts';
import { titleOf } from './row.ts';
import { lineOf } from './rule-line.ts';

const LEVELS: Record<Severity, string> = { high: 'error', medium: 'warning', low: 'note' };

/** The findings as SARIF 2.1.0, for what shows results of checks beside the lines of a policy. Nothing is left out. */
export function driftSarif(report: DriftReport): string {
  const driver = { name: 'bouheki', rules: FINDING_KINDS.map(ruleOf) };
  const results = report.findings.map((finding) => resultOf(report, finding));
  const log = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [{ tool: { driver }, results }],
  };
  return `${printJson(log, 2)}\n`;
}

function ruleOf(kind: FindingKind): object {
  return { id: idOf(kind), shortDescription: { text: titleOf(kind) } };
}

function idOf(kind: FindingKind): string {
  return `drift/${kind.replaceAll(' ', '-')}`;
}

function resultOf(report: DriftReport, finding: Reported): object {
  const { destination, evidence, id, kind, severity, subject, suggestion } = finding;
  const text = `${subject}: ${destination}. ${evidence.join('. ')}. Fix: ${suggestion}`;
  const region = { startLine: lineOf(report, finding) };
  return {
    ruleId: idOf(kind),
    ruleIndex: FINDING_KINDS.indexOf(kind),
    level: LEVELS[severity],
    message: { text },
    locations: [{ physicalLocation: { artifactLocation: { uri: uriOf(report.policy) }, region } }],
    partialFingerprints: { 'bouhekiDrift/v1': id },
  };
}

/** Relative paths stay so: what shows the results knows them from the root of a repository. */
function uriOf(path: string): string {
  if (path.startsWith('/')) return pathToFileURL(path).href;
  return path.split('/').map(encodeURIComponent).join('/');
}
