import assert from 'node:assert/strict';
import test from 'node:test';
import { BATCH_ROWS } from '../../../profiler/batch.ts';
import { BatchQueue } from '../../../profiler/batch-queue.ts';
import { batchOf } from './fixture.ts';

test('batches come out as they were put, oldest first, and give their room back', () => {
  const one = new BatchQueue();
  const other = new BatchQueue(one.memory);
  const whole = one.room;
  let put = 0;
  let taken = 0;
  for (let round = 0; round < 3; round += 1) {
    while (one.room > 0) {
      put += 1;
      one.put(batchOf(Array.from({ length: (put % 5) + 1 }, () => ({ port: put, low: BigInt(put) }))));
    }
    assert.throws(() => one.put(batchOf([{}])), /full/);
    for (const half = whole / BATCH_ROWS / 2, end = taken + half; taken < end;) {
      taken += 1;
      other.take(({ length, columns }) => {
        assert.equal(length, (taken % 5) + 1);
        assert.deepEqual([columns.port[0], columns.addressLow[length - 1]], [taken, BigInt(taken)]);
      });
    }
    assert.equal(one.room, whole / 2);
  }
});

test('a batch that nobody could use counts as taken', () => {
  const queue = new BatchQueue();
  const other = new BatchQueue(queue.memory);
  const whole = queue.room;
  queue.put(batchOf([{}]));
  assert.throws(
    () =>
      other.take(() => {
        throw new Error('full disk');
      }),
    /full disk/,
  );
  assert.equal(queue.room, whole);
});
