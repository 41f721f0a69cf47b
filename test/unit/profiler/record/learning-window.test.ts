import assert from 'node:assert/strict';
import test from 'node:test';
import { openReader } from '../../../../profiler/read/read.ts';
import { openRecorder, type RecordStore } from '../../../../profiler/store/store.ts';
import { databaseFor, LEARN, startRecording } from '../fixture.ts';

const PLAN = { host: LEARN.host, target: LEARN.target, seconds: 3600 };

async function closed(store: RecordStore): Promise<void> {
  await store.stopServing();
  store.close();
}

test('a run that was killed or cut short is gone on with until its window ends; one that has ended is not', async (t) => {
  const path = databaseFor(t);
  const first = await openRecorder(path);
  const window = await first.learningWindow(PLAN);
  assert.deepEqual([window.resumed, window.end - window.start], [false, 3_600_000_000]);
  await startRecording(first, { ...LEARN, window });
  first.close();

  const second = await openRecorder(path);
  const { passed, resumed, ...same } = await second.learningWindow(PLAN);
  assert.deepEqual([resumed, same], [true, { start: window.start, end: window.end }]);
  assert.ok(passed >= 0 && passed < 3_600_000_000, String(passed));
  for (const other of [{ seconds: 7200 }, { target: 'container' as const }, { host: 'web2' }]) {
    assert.equal((await second.learningWindow({ ...PLAN, ...other })).resumed, false, JSON.stringify(other));
  }
  const going = await startRecording(second, { ...LEARN, window: same });
  await going.end('interrupted');
  await closed(second);

  const third = await openRecorder(path);
  assert.equal((await third.learningWindow(PLAN)).resumed, true);
  const last = await startRecording(third, { ...LEARN, window: same });
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

test('a clock that was set, while learning or since, leaves as much of the window as was left', async (t) => {
  const YEAR = 365 * 24 * 3_600_000_000;
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const now = Date.now() * 1000;
  // Begun a year ago by a clock that was a year behind; a quarter of an hour is left.
  const behind = { start: now - YEAR - 2_700_000_000, end: now - YEAR + 900_000_000 };
  const first = await startRecording(store, { ...LEARN, window: behind });
  first.clockStep(YEAR);
  await first.end('interrupted');
  const { end, resumed, start } = await store.learningWindow(PLAN);
  assert.equal(resumed, true);
  assert.deepEqual([start, end], [behind.start + YEAR, behind.end + YEAR]);
  // Cut short in a year that the clock shows no more.
  const ahead = { start: now + YEAR, end: now + YEAR + 3_600_000_000 };
  const second = await startRecording(store, { ...LEARN, window: ahead });
  await second.end('interrupted');
  await store.connection.run(
    `UPDATE recording SET ended_at = ${ahead.end - 600_000_000} WHERE id = ${second.id}`,
  );
  const again = await store.learningWindow(PLAN);
  assert.equal(again.resumed, true);
  assert.ok(Math.abs(again.end - Date.now() * 1000 - 600_000_000) < 60_000_000, 'ten minutes are left');
  assert.equal(again.end - again.start, 3_600_000_000);
  await closed(store);

  const reader = await openReader(path);
  const recordings = await reader.recordings();
  reader.close();
  assert.deepEqual(
    recordings.map(({ clock }) => clock),
    [{ steps: 1, step: YEAR }, undefined],
  );
});

test('a window that is over is not gone on with', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const now = Date.now() * 1000;
  const window = { start: now - 3_600_000_001, end: now - 1 };
  const recording = await startRecording(store, { ...LEARN, window });
  await recording.end('interrupted');
  assert.equal((await store.learningWindow(PLAN)).resumed, false);
  await closed(store);
});
