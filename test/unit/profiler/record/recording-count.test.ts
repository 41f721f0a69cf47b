import assert from 'node:assert/strict';
import test from 'node:test';
import { Operation } from '../../../../profiler/event/batch.ts';
import { openRecorder } from '../../../../profiler/store/store.ts';
import { batchOf, databaseFor, LEARN, START, startRecording } from '../fixture.ts';

test('intents and openings of sockets are counted apart, folded ones too', async (t) => {
  const store = await openRecorder(databaseFor(t));
  const recording = await startRecording(store, LEARN);
  const { connect, intent, open, send } = Operation;
  const events = [connect, intent, send, open, intent].map((operation) => ({ operation }));
  recording.append(batchOf(events, recording));
  const key = { process: 0, command: 0, credential: 0, family: 4, addressHigh: 0n, addressLow: 1n, box: -1 };
  const rest = { port: 53, protocol: 17, verdict: 0, first: START, last: START, names: 0, known: 0, age: 0 };
  recording.folded({ ...key, ...rest, operation: intent, count: 40 });
  const { events: all, intents, sockets } = recording.counters;
  await recording.end('complete');
  store.close();
  assert.deepEqual([all, intents, sockets], [45, 42, 1]);
});
