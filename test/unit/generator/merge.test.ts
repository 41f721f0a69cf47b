import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../arbitrary/fast-check.ts';
import { sumEvidence } from '../../../generator/subject/evidence.ts';
import { flowOf } from '../../../generator/subject/flow.ts';
import { generatePolicy } from '../../../generator/generate.ts';
import { mergeWithBase, type Merged } from '../../../generator/merge.ts';
import { evaluate } from '../../../policy/meaning/evaluate.ts';
import type { RecordedObservation } from '../../../profiler/read/read.ts';
import { input, observation, observed, OPTIONS, policyOf, print, START, unlessNoData } from './fixture.ts';

const HOUR = 3_600_000_000;

function merge(text: string, list: readonly RecordedObservation[]): Merged {
  const { demands } = generatePolicy(input(list), OPTIONS);
  const evidence = sumEvidence(demands.flatMap(({ observations }) => observations));
  return mergeWithBase({ text, policy: policyOf(text) }, demands, evidence);
}

/** Observations are made anew by each run. */
function keyOf({ address, first, port, protocol, subject }: RecordedObservation): string {
  return JSON.stringify([subject, String(address), port, protocol, first]);
}

test('a merge allows what is new, keeps every byte below the header, and changes nothing the second time', () => {
  const lists = fc.tuple(
    fc.array(observation, { minLength: 1, maxLength: 20 }),
    fc.array(observation, { minLength: 1, maxLength: 20 }),
  );
  fc.assert(
    fc.property(lists, ([old, later]) => {
      const before = unlessNoData(() => print(old));
      if (before === undefined) return;
      // Long after the window of the first record.
      const fresh = later.map((each) => ({
        ...each,
        first: each.first + 1000 * HOUR,
        last: each.last + 1000 * HOUR,
      }));
      const all = [...old, ...fresh];
      const { kept, text } = merge(before, all);
      const policy = policyOf(text);
      const out = new Set(kept.flatMap(({ observations }) => observations.map(keyOf)));
      const { demands } = generatePolicy(input(all), OPTIONS);
      for (const each of demands.flatMap(({ observations }) => observations)) {
        const isOut = out.has(keyOf(each));
        if (!isOut) assert.equal(evaluate(policy, flowOf(each)).action, 'allow');
      }
      assert.equal(merge(text, all).text, text);
    }),
    { numRuns: 100 },
  );
});

test('what was taken out by hand stays out, until it is put back', () => {
  const list = [observed(), observed({ port: 22 })];
  const before = print(list);
  const edited = before.replace('port: [22, 443]', 'port: [443]');
  const { added, kept, text } = merge(edited, list);
  assert.equal(text, edited);
  assert.equal(added, 0);
  assert.deepEqual(
    kept.map(({ observations }) => observations.map(({ port }) => port)),
    [[22]],
  );
  const later = observed({ port: 80, first: START + 9 * HOUR, last: START + 9 * HOUR });
  assert.doesNotMatch(merge(edited, [...list, later]).text, /port: .*\b22\b/);
  assert.equal(merge(before, list).kept.length, 0);
});

test('a deny that was written by hand keeps its addresses out', () => {
  const text = `version: 2
network:
  mode: block
  deny:
    - to: [{ port: [22] }]
  allow: []
`;
  const { added, kept } = merge(text, [observed({ port: 22 })]);
  assert.deepEqual([added, kept.length], [0, 1]);
});

test('a policy without a header takes in the whole record, and gets a window', () => {
  const { text } = merge('version: 2\nnetwork:\n  mode: block\n  allow: []\n', [observed()]);
  assert.match(
    text,
    /^# Window: 2026-11-21 00:00:00Z to 2026-11-21 00:00:00Z\n# Window shorter than a day: .*\nversion: 2\n/,
  );
  assert.match(text, /# added: 1 event, 2026-11-21 00:00:00Z\n/);
});

test('a policy without rules cannot be a base', () => {
  const text = 'version: 2\nnetwork:\n  mode: block\n  cidr: { allow: [10.0.0.0/8] }\n';
  // No other version helps: it is of version 2, and flat.
  assert.throws(() => merge(text, [observed()]), { code: 'usage', remedy: /^Generate anew: / });
});
