import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from '../../../daemon/control/turns.ts';

test('what is asked for is done in that order, one at a time, also after a failure', async () => {
  const turns = new Turns();
  const done: string[] = [];
  const slow = turns.take(async () => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    done.push('slow');
  });
  const failing = turns.take(() => Promise.reject(new Error('no')));
  const last = turns.take(() => Promise.resolve(done.push('last')));
  await assert.rejects(failing, /^Error: no$/);
  assert.equal(await last, 2);
  await slow;
  assert.deepEqual(done, ['slow', 'last']);
});

test('a thousand reloads that are ordered at once are two, and keep nothing else waiting', async () => {
  const turns = new Turns();
  const done: string[] = [];
  const reload = async (): Promise<void> => {
    done.push('begun');
    await new Promise((resolve) => setTimeout(resolve, 1));
    done.push('reload');
  };
  const first = turns.takeOnce('reload', reload);
  // It has begun to read: what is written from now on it may not see.
  while (done.length === 0) await new Promise((resolve) => setImmediate(resolve));
  for (let count = 0; count < 1000; count += 1) void turns.takeOnce('reload', reload);
  await turns.take(() => Promise.resolve(done.push('rollback')));
  await first;
  assert.deepEqual(done, ['begun', 'reload', 'begun', 'reload', 'rollback']);
});

test('orders that piled up while nothing else could run are one, though each would be done at once', async () => {
  const turns = new Turns();
  let done = 0;
  const all: Promise<void>[] = [];
  for (let count = 0; count < 1000; count += 1) {
    all.push(turns.takeOnce('reload', async () => void (done += 1)));
    // As between two signals that are handed over in one go.
    for (let step = 0; step < 10; step += 1) await Promise.resolve();
  }
  await Promise.all(all);
  assert.equal(done, 1);
  await turns.takeOnce('reload', async () => void (done += 1));
  assert.equal(done, 2);
});
