import { visible } from '../../../error/visible.ts';
import { FINDING_KINDS, type FindingKind } from '../../../generator/drift/finding/finding.ts';
import type { Reported } from './identify.ts';
import type { DriftReport } from './report.ts';
import { titleOf } from './row.ts';

/**
 * The findings as JUnit's XML, for what shows results of tests: a suite for each kind, a test for each finding, which
 * fails where the exit status tells of its kind. A kind without a finding is one test that passes.
 */
export function driftJunit({ failing, findings }: DriftReport): string {
  const suites = FINDING_KINDS.map((kind) => {
    const its = findings.filter((each) => each.kind === kind);
    return { kind, its, tests: Math.max(1, its.length), failures: failing.has(kind) ? its.length : 0 };
  });
  const sums = {
    tests: suites.reduce((sum, { tests }) => sum + tests, 0),
    failures: suites.reduce((sum, { failures }) => sum + failures, 0),
  };
  const body = suites.map(({ kind, its, ...counts }) => suiteText(kind, its, counts)).join('');
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="bouheki drift" ${countText(sums)}>\n${body}</testsuites>\n`;
}

interface Counts {
  tests: number;
  failures: number;
}

function countText({ failures, tests }: Counts): string {
  return `tests="${tests}" failures="${failures}" errors="0"`;
}

function suiteText(kind: FindingKind, findings: readonly Reported[], counts: Counts): string {
  const cases =
    findings.length === 0
      ? `    <testcase classname="drift" name="nothing ${kind}"/>\n`
      : findings.map((finding) => caseText(finding, counts.failures > 0)).join('');
  const name = escape(titleOf(kind));
  return `  <testsuite name="${name}" ${countText(counts)} skipped="0">\n${cases}  </testsuite>\n`;
}

function caseText(finding: Reported, fails: boolean): string {
  const { destination, evidence, id, kind, subject, suggestion } = finding;
  const name = escape(`${subject}: ${destination} (${id})`);
  const said = escape([...evidence, `fix: ${suggestion}`].join('; '));
  const body = fails
    ? `<failure type="${escape(kind)}" message="${escape(suggestion)}">${said}</failure>`
    : `<system-out>${said}</system-out>`;
  return `    <testcase classname="drift" name="${name}">${body}</testcase>\n`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** What XML 1.0 has no place for, controls and halves of surrogate pairs, is made visible first; U+FFFE and U+FFFF too. */
function escape(text: string): string {
  return visible(text)
    .replace(/[\uFFFE\uFFFF]/g, (character) => `\\u{${character.charCodeAt(0).toString(16)}}`)
    .replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}
