import assert from 'node:assert/strict';
import test from 'node:test';
import { elbowOf } from '../../../../generator/prefixes/elbow.ts';

test('a budget that allows as many unobserved addresses as observed ones is not suggested', () => {
  // The bend is at 69, a real host's: 73 addresses for one prefix less.
  const points = [
    { count: 73, cost: 0 },
    { count: 72, cost: 2 },
    { count: 71, cost: 5 },
    { count: 70, cost: 11 },
    { count: 69, cost: 73 },
    { count: 40, cost: 2 ** 40 },
  ];
  assert.equal(elbowOf(points, 73).count, 70);
  assert.equal(elbowOf(points, 74).count, 69);
});
