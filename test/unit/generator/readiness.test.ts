import assert from 'node:assert/strict';
import test from 'node:test';
import { judgeBlocks } from '../../../generator/readiness.ts';

const steady = [10, 10, 10, 10, 10, 10, 10, 10, 10, 10];

test('a subject that keeps to its places is stable', () => {
  assert.deepEqual(judgeBlocks([steady, steady]), { state: 'stable', unseen: 0, atMost: 0 });
});

test('a new place in the last fifth counts with all its events', () => {
  const { atMost, state, unseen } = judgeBlocks([steady, [0, 0, 0, 0, 0, 0, 0, 0, 0, 20]]);
  assert.equal(unseen, 0.5);
  assert.equal(atMost, 0.5);
  assert.equal(state, 'learning');
});

test('places seen in one tenth only make the cautious estimate larger than the point estimate', () => {
  const { atMost, state, unseen } = judgeBlocks([steady, [0, 0, 5, 0, 0, 0, 0, 0, 0, 0]]);
  assert.equal(unseen, 0);
  // As of the end of the window, and of the two tenths before it.
  assert.equal(atMost, (5 / 105 + 5 / 95 + 5 / 85) / 3);
  assert.equal(state, 'stabilizing');
});

test('a subject that was new a moment ago is not stable yet', () => {
  const late = [0, 0, 0, 0, 0, 0, 0, 500, 500, 500];
  assert.equal(judgeBlocks([steady, late]).state, 'stabilizing');
});

test('a subject seen once, or in one burst, is still being learnt', () => {
  assert.deepEqual(judgeBlocks([[1000, 0, 0, 0, 0, 0, 0, 0, 0, 0]]), { state: 'learning', atMost: 1 });
});
