import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outlierHosts } from '../../../../generator/drift/finding/outlier.ts';

/** The set of these places. */
function hosts(...places: number[]): Uint8Array {
  const set = new Uint8Array(2);
  for (const place of places) set[place >> 3]! |= 1 << (place & 7);
  return set;
}

const NAMES = Array.from({ length: 9 }, (_, place) => `web-${place}`);
const SHARED = Array.from({ length: 20 }, () => hosts(0, 1, 2, 3, 4, 5, 6, 7, 8));
const own = (place: number, count: number) => Array.from({ length: count }, () => hosts(place));

test('a host with far more of its own than the others is an outlier', () => {
  const usual = NAMES.flatMap((_, place) => own(place, 1));
  assert.deepEqual(outlierHosts([...SHARED, ...usual, ...own(8, 9)], NAMES), [
    { host: 'web-8', alone: 10, shown: 30, usual: 1 / 21 },
  ]);
});

test('hosts that differ a little, or all alike, are none, and neither is one of few', () => {
  const some = NAMES.flatMap((_, place) => own(place, place % 3));
  assert.deepEqual(outlierHosts([...SHARED, ...some], NAMES), []);
  assert.deepEqual(
    outlierHosts(
      NAMES.flatMap((_, place) => own(place, 5)),
      NAMES,
    ),
    [],
  );
  assert.deepEqual(outlierHosts([...own(0, 9), hosts(0, 1, 2)], NAMES.slice(0, 4)), []);
});

test('a host that showed nothing is no outlier', () => {
  assert.deepEqual(outlierHosts([], NAMES), []);
});
