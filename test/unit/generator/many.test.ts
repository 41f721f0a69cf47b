import assert from 'node:assert/strict';
import test from 'node:test';
import { questionText } from '../../../cli/report/review-text.ts';
import { sumEvidence } from '../../../generator/subject/evidence.ts';
import { selectObservations } from '../../../generator/subject/select.ts';
import { mergeWithBase } from '../../../generator/merge.ts';
import { joinNames } from '../../../generator/name/by-name.ts';
import { changeBetween, textBefore } from '../../../generator/review/change.ts';
import { describeNames } from '../../../generator/rule/name-evidence.ts';
import type { RecordedObservation } from '../../../profiler/read/read.ts';
import { observed, policyOf, print, START } from './fixture.ts';

// A call takes about 120,000 arguments at the most: lists that grow with the record must not be spread into one.
const MANY = 200_000;

/** 2027-01-01T00:00:00Z. */
const LATER = START + 41 * 24 * 3_600_000_000;

const many = <T>(make: (index: number) => T): T[] => Array.from({ length: MANY }, (_, index) => make(index));

const { subject } = observed();
const seen = (change: Partial<RecordedObservation>): RecordedObservation => ({
  ...observed(),
  subject,
  ...change,
});

test('200,000 addresses of one name are one destination', () => {
  const named = many((index) =>
    seen({
      address: 0x2e000000n + BigInt(index),
      first: START + index,
      last: START + index,
      names: ['cdn.example'],
      known: { by: 'self', age: index % 7 },
    }),
  );
  const [joined, ...others] = joinNames(named, named, 'name');
  assert.equal(others.length, 0);
  const { count, first, known, last } = joined!;
  assert.deepEqual([count, first, last, known!.age], [MANY, START, START + MANY - 1, 6]);
  assert.match(describeNames(Array.from(named, () => joined!))[0]!, /longest 6s after the TTL/);
});

test('one address known by 200,000 names is as many parts of one service', () => {
  const all = seen({
    address: 0x2e000000n,
    count: MANY,
    names: ['n0.example'],
    known: { by: 'self', age: 0 },
  });
  const parts = many((index) =>
    seen({ address: 0x2e000000n, names: [`n${index}.example`], known: { by: 'self', age: 0 } }),
  );
  assert.equal(joinNames([all], parts, 'name').length, MANY);
});

test('200,000 new destinations are merged into a policy, and asked about in a review', () => {
  const before = print([observed()]);
  const fresh = many((index) =>
    seen({ address: 0x2e000000n + BigInt(index), first: LATER - index, last: LATER }),
  );
  const { demands } = selectObservations(fresh, { deny: [], includeDenied: false });
  const { text } = mergeWithBase({ text: before, policy: policyOf(before) }, demands, sumEvidence(fresh));
  assert.equal(/# added: .*/.exec(text)?.[0], '# added: 200,000 events, 2026-12-31 23:59:59Z');
  const item = {
    rule: 'curl',
    destination: 'all',
    reasons: ['seen once'],
    location: { rule: 0 },
    observations: fresh,
  };
  const question = questionText({ items: [item], left: 1, all: 1 });
  assert.match(question.join('\n'), /Seen +200,000 events in 1 hour, 2026-12-31 23:59:59Z to 2027-01-01/);
});

test('a review can take 200,000 lines back', () => {
  const before = many((index) => `# ${index}`).join('\n');
  const change = changeBetween(before, '# 0', { of: [], digest: '' });
  assert.equal(textBefore(change, '# 0'), before);
});
