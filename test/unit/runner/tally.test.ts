import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Outcome } from '../../runner/outcome.ts';
import { Tally } from '../../runner/tally.ts';

function outcome(kind: Outcome['kind'], message = ''): Outcome {
  return { kind, file: 'a.test.js', name: kind, milliseconds: 1, message };
}

test('ends with the line that counts', () => {
  const tally = new Tally();
  tally.add('unit', outcome('passed'));
  tally.add('unit', outcome('skipped', 'no root'));
  tally.add('kernel on 6.1', outcome('failed', 'one\ntwo'));
  assert.equal(
    tally.summary(),
    [
      'skipped  unit: a.test.js: skipped: no root',
      '',
      'FAILED   kernel on 6.1: a.test.js: failed',
      '    one',
      '    two',
      '',
      '1 passed, 1 failed, 1 skipped',
      '',
    ].join('\n'),
  );
  assert.equal(tally.good, false);
});

test('is not good when nothing ran', () => {
  const tally = new Tally();
  assert.equal(tally.good, false);
  tally.add('unit', outcome('skipped', 'no root'));
  assert.equal(tally.good, false);
  tally.add('unit', outcome('passed'));
  assert.equal(tally.good, true);
});
