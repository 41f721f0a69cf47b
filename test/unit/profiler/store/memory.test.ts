import assert from 'node:assert/strict';
import test from 'node:test';
import { openReader } from '../../../../profiler/read/read.ts';
import { openRecorder } from '../../../../profiler/store/store.ts';
import { batchOf, databaseFor, LEARN, startRecording } from '../fixture.ts';

test('a reader that takes all memory is stopped; the recording goes on and loses nothing', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const recording = await startRecording(store, LEARN);
  const batch = batchOf(Array.from({ length: 2000 }, (_, row) => ({ low: BigInt(row) })));
  const add = (): void => {
    for (let round = 0; round < 20; round++) recording.append(batch);
    recording.flush();
  };
  for (let round = 0; round < 10; round++) add();
  let failure: unknown;
  const timer = setInterval(() => {
    try {
      add();
    } catch (error) {
      failure ??= error;
    }
  }, 10);
  for (let round = 0; round < 3; round++) {
    const reader = await openReader(path);
    const hungry = reader.query(
      'SELECT list(a.address_low + b.port) FROM event a, event b WHERE b.address_low < 50',
    );
    await assert.rejects(hungry, { name: 'BouhekiError' });
    reader.close();
  }
  clearInterval(timer);
  assert.equal(failure, undefined);
  const { events } = recording.counters;
  await recording.end('complete');
  await store.stopServing();
  store.close();
  const reader = await openReader(path);
  assert.equal((await reader.recordings())[0]!.events, events);
  assert.equal((await reader.query('SELECT count(*) FROM event')).rows[0]![0], String(events));
  reader.close();
});
