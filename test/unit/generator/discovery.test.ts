import assert from 'node:assert/strict';
import test from 'node:test';
import { discoveryOf } from '../../../generator/discovery.ts';
import { generatePolicy } from '../../../generator/generate.ts';
import { input, observed, OPTIONS, START } from './fixture.ts';

const wget = { exe: '/usr/bin/wget' };
const RECORD = [
  observed({ count: 1000, last: START + 7_200_000_000, blocks: Array.from({ length: 10 }, () => 100) }),
  observed({ subject: wget, count: 2, blocks: [0, 0, 0, 1, 0, 0, 0, 0, 0, 1] }),
  // Another observation of the same destination, and a destination of the last tenth.
  observed({ subject: { ...wget, command: 'wget' }, count: 1, blocks: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0] }),
  observed({ subject: wget, port: 22, count: 1, blocks: [0, 0, 0, 0, 0, 0, 0, 0, 0, 1] }),
];

test('destinations are counted once for each subject, when they were first seen', () => {
  const { discovery, subjects } = discoveryOf(RECORD);
  assert.deepEqual(
    subjects.map((each) => [each.subject, each.state, each.events, each.discovery.join(' ')]),
    [
      ['/usr/bin/wget uid 1000', 'learning', 4, '1 1 1 1 1 1 1 1 1 2'],
      ['/usr/bin/curl uid 1000', 'stable', 1000, '1 1 1 1 1 1 1 1 1 1'],
    ],
  );
  assert.deepEqual(discovery, [2, 2, 2, 2, 2, 2, 2, 2, 2, 3]);
});

test('a subject is as ready as generate says', () => {
  const { demands, readiness } = generatePolicy(input(RECORD), OPTIONS);
  const told = new Map(discoveryOf(RECORD).subjects.map((each) => [each.subject, each.state]));
  for (const { subject } of demands) assert.equal(told.get(subject.name), readiness.get(subject.key)!.state);
});

test('nothing recorded is nothing to discover', () => {
  assert.deepEqual(discoveryOf([]), { discovery: [], subjects: [] });
});
