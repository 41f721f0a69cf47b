import assert from 'node:assert/strict';
import test from 'node:test';
import { formatCount, formatDecimal, formatNumber, formatPercent } from '../../../format/number.ts';

test('a number is written with its thousands apart', () => {
  assert.deepEqual([0, 999, 1204, 1_234_567, -1204, 1e15].map(formatNumber), [
    '0',
    '999',
    '1,204',
    '1,234,567',
    '-1,204',
    '1,000,000,000,000,000',
  ]);
});

test('a number of addresses that nobody could read is a power of ten', () => {
  assert.equal(formatNumber(2 ** 80), '1.2089258196146292e+24');
  assert.equal(formatDecimal(617_000, 3), '617,000');
  assert.equal(formatDecimal(2 ** 80, 3), '1,208,925,819,614,629,200,000,000');
});

test('a fraction has no more digits than were asked for', () => {
  assert.deepEqual(
    [formatDecimal(1234.56, 1), formatDecimal(3, 1), formatDecimal(0.04, 1)],
    ['1,234.6', '3', '0'],
  );
});

test('a count is of one thing or of several', () => {
  assert.equal(formatCount(1, 'event'), '1 event');
  assert.equal(formatCount(1204, 'event'), '1,204 events');
  assert.equal(formatCount(2, 'entry', 'entries'), '2 entries');
});

test('a share that is not zero is not written as zero', () => {
  assert.deepEqual([0, 0.00004, 0.004, 0.12, 1].map(formatPercent), [
    '0 %',
    '0.004 %',
    '0.4 %',
    '12 %',
    '100 %',
  ]);
});
