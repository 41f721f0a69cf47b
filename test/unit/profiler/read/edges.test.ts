import assert from 'node:assert/strict';
import test from 'node:test';
import { type Bucket, bucketWidth, edgesOf } from '../../../../profiler/read/stretch.ts';

const SECOND = 1_000_000;
const HOUR = 3600 * SECOND;

/** How many of these times are in each part. */
function parts(times: readonly number[], count = 10): number[] {
  const ends = { first: Math.min(...times), last: Math.max(...times) };
  const width = bucketWidth(ends);
  const buckets = new Map<number, Bucket>();
  for (const time of times.toSorted((a, b) => a - b)) {
    const at = Math.floor(time / width);
    const bucket = buckets.get(at) ?? { first: time, last: time, count: 0 };
    buckets.set(at, { ...bucket, last: time, count: bucket.count + 1 });
  }
  const edges = edgesOf(ends, [...buckets.values()], count);
  assert.equal(edges.length, count + 1);
  return Array.from(
    { length: count },
    (_, part) => times.filter((time) => time >= edges[part]! && time < edges[part + 1]!).length,
  );
}

function day(at: number): number[] {
  return Array.from({ length: 500 }, (_, minute) => at * 24 * HOUR + minute * 60 * SECOND);
}

test('pauses and bursts leave the parts of a window with equal numbers of events', () => {
  for (const times of [day(0), [...day(0), ...day(12), ...day(25)]]) {
    const found = parts(times);
    for (const events of found) assert.ok(Math.abs(events - times.length / 10) <= 1, found.join());
  }
  // Nine of ten events in two minutes of three days.
  const burst = Array.from({ length: 4500 }, (_, at) => 30 * HOUR + (at * 120 * SECOND) / 4500);
  const found = parts([...day(0), ...burst]);
  for (const events of found) assert.ok(Math.abs(events - 500) <= 5, found.join());
});

test('what came at one time is in one part, and nothing is lost', () => {
  assert.deepEqual(parts([7, 7, 7], 3), [0, 3, 0]);
  const clumps = [0, 0, HOUR, HOUR, HOUR, HOUR, 2 * HOUR, 2 * HOUR];
  assert.deepEqual(parts(clumps), [0, 2, 0, 0, 4, 0, 0, 0, 2, 0]);
  assert.deepEqual(parts(Array.from({ length: 10 }, (_, hour) => hour * HOUR)), Array(10).fill(1));
});
