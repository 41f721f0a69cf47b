import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import { allFindings } from '../../../../generator/drift/finding/all-findings.ts';
import { compare } from '../../../../generator/drift/drift.ts';
import { WatchedTime } from '../../../../generator/drift/finding/silence.ts';
import { suggest } from '../../../../generator/drift/finding/suggest.ts';
import { generatePolicy } from '../../../../generator/generate.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import { printPolicy } from '../../../../policy/file/print.ts';
import type { RecordedObservation } from '../../../../profiler/read/read.ts';
import { input, observation, observed, OPTIONS, policyOf, START, unlessNoData } from '../fixture.ts';

const DAY = 86_400_000_000;

const TEXT = `version: 2
network:
  mode: block # keep
  deny:
    - name: no metadata
      to: [{ cidr: [169.254.169.254/32] }]
  allow:
    # What people fetch.
    - name: web
      from: { exe: [/usr/bin/curl], uid: [1000] }
      to:
        - { cidr: [10.0.0.1/32, 10.0.0.2/32], port: [443], protocol: [tcp] } # two of them
    - name: by name
      from: { exe: [/usr/bin/wget], uid: [1000] }
      to: [{ name: [api.example], port: [443], protocol: [tcp] }]
    # Nobody knows.
    - name: old
      from: { exe: [/usr/bin/old] }
      to: [{ cidr: [10.9.9.9/32] }]
`;

const read = (text: string) => parsePolicy(text, 'policy.yaml').policy;

function findingsIn(text: string, observations: RecordedObservation[], days = 1) {
  const policy = policyOf(text);
  const comparison = compare(policy, observations);
  const watched = new WatchedTime([{ start: START, end: START + days * DAY }]);
  return { comparison, findings: allFindings(policy, { now: comparison, watched, unusedAfter: 8 * DAY }) };
}

/** All findings settled, where they can be. */
function suggested(text: string, observations: RecordedObservation[], days = 1) {
  const { comparison, findings } = findingsIn(text, observations, days);
  return suggest(findings, { text, comparison, observations, naming: {}, read });
}

const used = [observed(), observed({ address: 0x0a000002n })];

test('a destination is added to the rule of its subject, or in a rule of its own, and comments stay', () => {
  const { left, settled, text } = suggested(TEXT, [
    ...used,
    observed({ address: 0x0a000101n, port: 8443 }),
    observed({ address: 0x0a000102n, port: 22, subject: { exe: '/usr/bin/ssh', command: 'ssh' } }),
  ]);
  assert.deepEqual([settled.length, left], [2, []]);
  assert.equal(
    text,
    TEXT.replace(
      '# two of them\n',
      `# two of them
        - { cidr: [10.0.1.1/32], port: [8443], protocol: [tcp] }
`,
    ) +
      `    - name: /usr/bin/ssh uid 1000
      from: { exe: [/usr/bin/ssh], uid: [1000] }
      to:
        - { cidr: [10.0.1.2/32], port: [22], protocol: [tcp] }
`,
  );
  assert.deepEqual(findingsIn(text, used).findings, []);
});

test('where rules of a subject go by names, a name is added', () => {
  const wget = { exe: '/usr/bin/wget', command: 'wget' };
  const { settled, text } = suggested(TEXT, [
    observed({ address: 0x08080808n, names: ['new.example'], known: { by: 'self', age: 0 }, subject: wget }),
  ]);
  assert.equal(settled.length, 1);
  assert.match(text, /name: \[new\.example\]/);
  assert.doesNotMatch(text, /8\.8\.8\.8/);
});

test('what is unused is taken out, the rest of its list stays', () => {
  const { left, settled, text } = suggested(TEXT, [observed({ last: START + 9 * DAY, hours: 200 })], 9);
  assert.deepEqual(
    left.map(({ reason }) => reason),
    [],
  );
  assert.deepEqual(settled.map(({ destination, subject }) => `${subject}: ${destination}`).sort(), [
    'rule by name: the whole rule',
    'rule old: the whole rule',
    'rule web: cidr 10.0.0.2/32',
  ]);
  assert.doesNotMatch(text, /10\.0\.0\.2|by name|10\.9\.9\.9/);
  assert.match(text, /# What people fetch\./);
  assert.deepEqual(findingsIn(text, [observed({ last: START + 9 * DAY, hours: 200 })], 9).findings, []);
});

test('what a deny rule is meant to stop, and what no rule can name, is left with the reason', () => {
  const { left, settled, text } = suggested(TEXT, [
    observed({ address: 0xa9fea9fen, port: 80, verdict: 'deny' }),
    observed({ subject: { exe: '/tmp/a\u0001', command: '' } }),
  ]);
  assert.deepEqual([settled, text], [[], TEXT]);
  assert.deepEqual(left.map(({ reason }) => reason).sort(), [
    'deny rule "no metadata" is meant to stop it',
    'no rule can name the subject',
  ]);
});

test('a suggestion removes the findings that it says it settles, and denies nothing that was allowed', () => {
  fc.assert(
    fc.property(
      fc.array(observation, { minLength: 1, maxLength: 12 }),
      fc.array(observation, { minLength: 1, maxLength: 12 }),
      (past, now) => {
        const generated = unlessNoData(() =>
          generatePolicy(input(past), { ...OPTIONS, allowCommandRules: true }),
        );
        if (generated === undefined) return;
        const text = printPolicy(generated.document);
        const all = [...past, ...now];
        const { settled, text: next } = suggested(text, all);
        const gone = new Set(settled.map(({ key }) => key));
        const { comparison, findings } = findingsIn(next, all);
        // The kernel denied it then: that it is allowed now is another finding.
        const left = findings.filter(({ key, kind }) => gone.has(key) && kind !== 'disagreed');
        assert.deepEqual(left, [], next);
        const allowed = new Set(comparison.allowed.map((each) => each.observation));
        for (const { observation: each } of compare(policyOf(text), all).allowed)
          assert.ok(allowed.has(each), next);
      },
    ),
    { numRuns: 200 },
  );
});

test('each finding by itself is settled by what is suggested for it, and only what fell silent may be denied', () => {
  fc.assert(
    fc.property(
      fc.array(observation, { minLength: 1, maxLength: 8 }),
      fc.array(observation, { minLength: 1, maxLength: 8 }),
      fc.constantFrom(1, 6, 40),
      (past, now, days) => {
        const generated = unlessNoData(() =>
          generatePolicy(input(past), { ...OPTIONS, allowCommandRules: true }),
        );
        if (generated === undefined) return;
        const text = printPolicy(generated.document);
        const all = [...past, ...now];
        const before = findingsIn(text, all, days);
        for (const finding of before.findings) {
          const change = { text, comparison: before.comparison, observations: all, naming: {}, read };
          const { settled, text: next } = suggest([finding], change);
          if (settled.length === 0) continue;
          const { comparison, findings } = findingsIn(next, all, days);
          const left = findings.filter(({ key, kind }) => key === finding.key && kind !== 'disagreed');
          assert.deepEqual(left, [], next);
          const allowed = new Set(comparison.allowed.map((each) => each.observation));
          for (const { observation: each } of before.comparison.allowed) {
            const isSilent = finding.kind === 'unused' && each.last <= finding.last!;
            assert(allowed.has(each) || isSilent, next);
          }
        }
      },
    ),
    { numRuns: 60 },
  );
});
