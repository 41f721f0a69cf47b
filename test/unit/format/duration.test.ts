import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../arbitrary/fast-check.ts';
import { formatDuration, parseDuration } from '../../../format/duration.ts';

test('a duration is whole numbers with units, larger units first', () => {
  assert.equal(parseDuration('90s'), 90);
  assert.equal(parseDuration('15m'), 900);
  assert.equal(parseDuration('24h'), 86_400);
  assert.equal(parseDuration('7d'), 604_800);
  assert.equal(parseDuration('1h30m'), 5400);
});

test('a bare number, an unknown unit, a fraction and nothing at all are no durations', () => {
  for (const text of ['90', '', 'h', '24 hours', '1.5h', '-1h', '30m1h', '1h30', ' 1h', '1H']) {
    assert.equal(parseDuration(text), undefined, text);
  }
});

test('every duration survives being written and read', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10_000_000 }), (seconds) => {
      assert.equal(parseDuration(formatDuration(seconds)), seconds);
    }),
  );
});
