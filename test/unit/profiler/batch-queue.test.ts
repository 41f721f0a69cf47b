import assert from 'node:assert/strict';
import test from 'node:test';
import { BatchQueue } from '../../../profiler/batch-queue.ts';
import { batchOf } from './fixture.ts';

test('batches come out as they were put, oldest first, and give their room back', () => {
  const one = new BatchQueue();
  const other = new BatchQueue(one.memory);
  const batches = 64;
  let put = 0;
  let taken = 0;
  for (let round = 0; round < 3; round += 1) {
    while (one.room > 0) {
      put += 1;
      one.put(batchOf(Array.from({ length: (put % 5) + 1 }, () => ({ port: put, low: BigInt(put) }))));
    }
    assert.throws(() => one.put(batchOf([{}])), /full/);
    for (const end = taken + batches / 2; taken < end;) {
      taken += 1;
      other.take(({ length, columns }) => {
        assert.equal(length, (taken % 5) + 1);
        assert.deepEqual([columns.port[0], columns.addressLow[length - 1]], [taken, BigInt(taken)]);
      });
    }
    assert.ok(one.room > 0);
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

test('names that are on their way take room, and give it back when they have arrived', () => {
  const queue = new BatchQueue();
  const other = new BatchQueue(queue.memory);
  let sent = 0;
  for (; queue.room > 0; sent += 1) queue.nameSent();
  queue.put(batchOf([{}]));
  for (let taken = 0; taken < sent; taken += 1) other.nameTaken();
  assert.ok(queue.room === sent);
});
