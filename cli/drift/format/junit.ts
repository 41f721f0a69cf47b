import { visible } from '../../../error/visible.ts';
import { FINDING_KINDS, type FindingKind } from '../../../generator/drift/finding.ts';
import { isDrift, type Reported } from './identify.ts';
import type { DriftReport } from './report.ts';
import { titleOf } from './row.ts';

/**
 * The findings as JUnit's XML, for what shows results of tests: a suite for each kind, a test for each finding, which
 * fails where it is drift. A kind without a finding is one test that passes.
 */
export function driftJunit({ findings }: DriftReport): string {
  const suites = FINDING_KINDS.map((kind) =>
    suite(
      kind,
      findings.filter((each) => each.kind === kind),
    ),
  );
  const counts = countsOf(findings.length + suites.filter(({ empty }) => empty).length, findings);
  const head = '<?xml version="1.0" encoding="UTF-8"?>\n';
  return `${head}<testsuites name="bouheki drift" ${counts}>\n${suites.map(({ text }) => text).join('')}</testsuites>\n`;
}

function suite(kind: FindingKind, findings: readonly Reported[]): { text: string; empty: boolean } {
  const empty = findings.length === 0;
  const counts = countsOf(empty ? 1 : findings.length, findings);
  const title = titleOf(kind);
  const cases = empty
    ? `    <testcase classname="drift" name="nothing ${kind}"/>\n`
    : findings.map(testCase).join('');
  return {
    text: `  <testsuite name="${escape(title)}" ${counts} skipped="0">\n${cases}  </testsuite>\n`,
    empty,
  };
}

function countsOf(tests: number, findings: readonly Reported[]): string {
  return `tests="${tests}" failures="${findings.filter(isDrift).length}" errors="0"`;
}

function testCase(finding: Reported): string {
  const { destination, evidence, id, kind, subject, suggestion } = finding;
  const name = escape(`${subject}: ${destination} (${id})`);
  const said = escape([...evidence, `fix: ${suggestion}`].join('; '));
  const body = isDrift(finding)
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
