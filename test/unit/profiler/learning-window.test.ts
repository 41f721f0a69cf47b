import assert from 'node:assert/strict';
import test from 'node:test';
import { openReader } from '../../../profiler/read.ts';
import { openRecorder, type RecorderStore } from '../../../profiler/store.ts';
import { databaseFor, LEARN } from './fixture.ts';

const PLAN = { host: LEARN.host, target: LEARN.target, seconds: 3600 };

async function closed(store: RecorderStore): Promise<void> {
  await store.stopServing();
  store.close();
}

test('a run that was killed or cut short is gone on with until its window ends; one that has ended is not', async (t) => {
  const path = databaseFor(t);
  const first = await openRecorder(path);
  const window = await first.learningWindow(PLAN);
  assert.deepEqual([window.resumed, window.end - window.start], [false, 3_600_000_000]);
  await first.startRecording({ ...LEARN, window });
  first.close();

  const second = await openRecorder(path);
  const { resumed, ...same } = await second.learningWindow(PLAN);
  assert.deepEqual([resumed, same], [true, { start: window.start, end: window.end }]);
  for (const other of [{ seconds: 7200 }, { target: 'container' as const }, { host: 'web2' }]) {
    assert.equal((await second.learningWindow({ ...PLAN, ...other })).resumed, false, JSON.stringify(other));
  }
  const going = await second.startRecording({ ...LEARN, window: same });
  await going.end('interrupted');
  await closed(second);

  const third = await openRecorder(path);
  assert.equal((await third.learningWindow(PLAN)).resumed, true);
  const last = await third.startRecording({ ...LEARN, window: same });
  await last.end('complete');
  assert.equal((await third.learningWindow(PLAN)).resumed, false);
  await closed(third);

  const reader = await openReader(path);
  const recordings = await reader.recordings();
  reader.close();
  assert.deepEqual(
    recordings.map(({ state, window: part, gap }) => [state, part, gap !== undefined]),
    [
      ['interrupted', same, true],
      ['interrupted', same, true],
      ['complete', same, false],
    ],
  );
});

test('a window that is over is not gone on with', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const now = Date.now() * 1000;
  const window = { start: now - 3_600_000_001, end: now - 1 };
  const recording = await store.startRecording({ ...LEARN, window });
  await recording.end('interrupted');
  assert.equal((await store.learningWindow(PLAN)).resumed, false);
  await closed(store);
});
