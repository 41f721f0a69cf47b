import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { describeEnd, patienceOf } from '../../../cli/report/stability-end.ts';
import { isStable, StabilityWatch } from '../../../daemon/stability.ts';
import { discoveryOf } from '../../../generator/discovery.ts';
import { openRecorder } from '../../../profiler/store/store.ts';
import { observed, START as SEEN } from '../generator/fixture.ts';
import { batchOf, databaseFor, HOUR, LEARN, processRow, START, startRecording } from '../profiler/fixture.ts';

test('a record that is being written is watched by a process of its own, until every subject in it is stable', async (t) => {
  const db = databaseFor(t);
  const store = await openRecorder(db);
  const recording = await startRecording(store, LEARN);
  recording.process(processRow());
  recording.command('curl');
  const hour = (from: number): void => {
    const times = Array.from({ length: 601 }, (_, at) => START + from * HOUR + (at * HOUR) / 600);
    recording.append(
      batchOf(
        times.map((time) => ({ time })),
        recording,
      ),
    );
    recording.flush();
  };
  const watch = new StabilityWatch(db, START, 7000);
  const looked = async (now: number): Promise<string> => {
    const before = watch.progress;
    watch.tick(now);
    while (watch.progress === before) await wait(20);
    return watch.progress;
  };
  try {
    watch.tick(0);
    assert.equal(watch.progress, 'stable: not known yet');
    recording.append(batchOf([{ time: START, uid: 7 }], recording));
    hour(0);
    assert.equal(await looked(60_000), 'stable 1 of 2');
    assert.equal(watch.stable, false);
    // A look costs time, so that the next one is not due yet.
    watch.tick(120_000);
    assert.equal(watch.progress, 'stable 1 of 2');
    const { stable, text } = await describeEnd(db, START, 7000, false);
    assert.equal(stable, false);
    assert.equal(
      text,
      `Ended before it was stable: 1 of 2 subjects not, in traffic of 1h.
  learning: /usr/bin/curl uid 7, up to 100 % unseen
`,
    );
    const times = Array.from({ length: 601 }, (_, at) => START + (at * HOUR) / 300);
    recording.append(
      batchOf(
        times.map((time) => ({ time, uid: 7 })),
        recording,
      ),
    );
    hour(1);
    assert.equal(await looked(10_000_000), 'stable 2 of 2');
    assert.equal(watch.stable, true);
  } finally {
    watch.close();
    await recording.end('complete');
    await store.stopServing();
    store.close();
  }
  assert.deepEqual(await describeEnd(db, START, 7000, false), {
    stable: true,
    text: 'Stable: 2 subjects, in traffic of 2h.\n',
  });
  const silent = await describeEnd(db, START + 9 * HOUR, 7000, false);
  assert.equal(silent.text, 'Ended before it was stable: there was no traffic.\n');
});

test('where nobody waits for it, how well subjects are known is looked at for metrics, and seldom', async (t) => {
  const db = databaseFor(t);
  const store = await openRecorder(db);
  t.after(() => store.close());
  const recording = await startRecording(store, LEARN);
  recording.process(processRow());
  recording.command('curl');
  recording.append(batchOf([{ time: START }], recording));
  recording.flush();
  const watch = new StabilityWatch(db, START);
  watch.tick(0);
  watch.tick(599_000);
  await wait(50);
  assert.equal(watch.states, undefined);
  watch.tick(600_000);
  while (watch.states === undefined) await wait(20);
  assert.deepEqual(watch.states, { stable: 0, stabilizing: 0, learning: 1 });
  assert.equal(watch.stable, false);
  watch.close();
});

test('a look that fails says why, and the next one may tell', async (t) => {
  const watch = new StabilityWatch(databaseFor(t), START, 1);
  watch.tick(0);
  watch.tick(5000);
  while (watch.failure === undefined) await wait(20);
  assert.match(watch.failure, /^bouheki: there is no database at /);
  assert.equal(watch.stable, false);
});

test('few minutes are too short to be stable, and no traffic is not', () => {
  const steady = Array.from({ length: 10 }, () => 100);
  const observations = [observed({ last: SEEN + 600_000_000, count: 1000, blocks: steady })];
  const judged = (atLeast: number) => isStable(discoveryOf(observations, undefined, atLeast), atLeast);
  assert.deepEqual([judged(600), judged(601)], [true, false]);
  assert.equal(isStable(discoveryOf(observations), 600), false);
  assert.equal(isStable(discoveryOf([]), 1), false);
});

test('a time that nothing can span is refused', () => {
  assert.equal(patienceOf({ until: 'stable' }), 3600);
  assert.equal(patienceOf({ until: 'stable', atLeast: 60, duration: 61 }), 60);
  assert.throws(() => patienceOf({ until: 'stable', duration: 3600 }), { code: 'usage' });
  assert.throws(() => patienceOf({ atLeast: 60 }), { code: 'usage' });
});
