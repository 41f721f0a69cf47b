import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import { identify } from '../../../../cli/drift/format/identify.ts';
import { driftJsonSchema, printDriftSchema } from '../../../../cli/drift/format/json-schema.ts';
import { FORMATS } from '../../../../cli/drift/format/format-name.ts';
import { RENDERERS } from '../../../../cli/drift/format/renderer.ts';
import { type DriftReport, reportOf } from '../../../../cli/drift/format/report.ts';
import { PLAIN_VIEW } from '../../../../cli/terminal/view.ts';
import { compare, driftOf } from '../../../../generator/drift/drift.ts';
import { allFindings } from '../../../../generator/drift/finding/all-findings.ts';
import type { Change } from '../../../../generator/drift/finding/change.ts';
import { FINDING_KINDS } from '../../../../generator/drift/finding/finding.ts';
import { WatchedTime } from '../../../../generator/drift/finding/silence.ts';
import type { RecordedObservation } from '../../../../profiler/read/read.ts';
import { observation, policyOf, START } from '../../generator/fixture.ts';
import { assertSarif, schemaCheck } from '../../json-schema.ts';
import { driftOn, EVENTS, POLICY } from './fixture.ts';
import { assertJunit } from './junit-shape.ts';

const DAY = 86_400_000_000;
const assertMatches = schemaCheck(driftJsonSchema());

test('the committed JSON Schema is that of the code (else: npm run build:schema)', () => {
  const committed = readFileSync(join(import.meta.dirname, '../../../../../drift.schema.json'), 'utf8');
  assert.equal(committed, printDriftSchema());
});

test('each document that drift prints is of its schema', async (t) => {
  const drift = await driftOn(t, EVENTS);
  const printed = (format: string): string => drift('--format', format).stdout;
  assertMatches(JSON.parse(printed('json')));
  const lines = printed('ndjson').trimEnd().split('\n');
  assert.equal(lines.length, 3);
  for (const line of lines) assertMatches(JSON.parse(line));
  assertSarif(JSON.parse(printed('sarif')));
  assertJunit(printed('junit'));
  assert.throws(() => assertMatches({ ...JSON.parse(lines[0]!), other: 1 }));
  assert.throws(() => assertSarif({ version: '2.1.0', runs: [{ results: [] }] }));
  assert.throws(() => assertJunit('<testsuites><testsuite name="x"/></testsuites>'));
});

/** Free text, long and with all that markup is made of. */
const hostile = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('/usr/bin/curl', '\u001b[2J', ']]>', '-->', '/tmp/\ud800x', '￿') },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 30 }) },
  { weight: 1, arbitrary: fc.constantFrom('_', '<', '&', '\u0000').map((letter) => letter.repeat(4000)) },
);

/** What is observed and called by hostile names. */
const observed: fc.Arbitrary<RecordedObservation> = fc
  .tuple(observation, hostile, fc.array(hostile, { maxLength: 2 }))
  .map(([each, exe, names]) =>
    Object.assign({}, each, names.length > 0 && { names, known: { by: 'self', age: 0 } }, {
      subject: Object.assign({}, each.subject, { exe }),
    }),
  );

const change: fc.Arbitrary<Change> = hostile.map((subject) => ({
  subject,
  first: START,
  noticedAt: START + 1,
  destinations: 3,
  events: 100,
  usual: 0.25,
}));

const report: fc.Arbitrary<DriftReport> = fc
  .record({
    past: fc.array(observed, { maxLength: 8 }),
    now: fc.array(observed, { maxLength: 40 }),
    changes: fc.array(change, { maxLength: 30 }),
    path: hostile,
  })
  .map(({ changes, now, past, path }) => {
    const policy = policyOf(POLICY);
    const comparison = compare(policy, now);
    const findings = identify(
      allFindings(policy, {
        now: comparison,
        past: { allowed: compare(policy, past).allowed, since: START + DAY },
        watched: new WatchedTime([{ start: START, end: START + 30 * DAY }]),
        unusedAfter: 8 * DAY,
      }),
    );
    const [first, ...rest] = findings;
    const acknowledged = first === undefined ? [] : [{ finding: first, reason: path, end: START }];
    return reportOf(
      {
        policy: path,
        lines: new Map([['web', 8]]),
        failing: new Set(FINDING_KINDS),
        drift: driftOf(comparison),
        acknowledged,
        changes,
        findings: rest,
      },
      { by: ['subject', 'rule'], limit: 0 },
    );
  });

test('whatever was recorded, each format is well-formed and of its schema, and Markdown fits into a comment', () => {
  fc.assert(
    fc.property(report, (each) => {
      const print = Object.fromEntries(
        FORMATS.map((format) => [format, RENDERERS[format](each, PLAIN_VIEW)]),
      );
      assertMatches(JSON.parse(print['json']!));
      for (const line of print['ndjson']!.split('\n').slice(0, -1)) assertMatches(JSON.parse(line));
      assertSarif(JSON.parse(print['sarif']!));
      assertJunit(print['junit']!);
      assert(print['markdown']!.length <= 60_000, String(print['markdown']!.length));
      for (const line of print['github']!.split('\n').slice(0, -1))
        assert.match(line, /^::(?:error|warning|notice) file=[^\r\n]*$/);
    }),
    { numRuns: 60 },
  );
});
