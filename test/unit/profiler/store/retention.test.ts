import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { openReader, type RecordedObservation } from '../../../../profiler/read/read.ts';
import { openRecorder, type RecordStore } from '../../../../profiler/store/store.ts';
import {
  ancestorRow,
  batchOf,
  databaseFor,
  type Event,
  HOUR,
  LEARN,
  processRow,
  START,
  startRecording,
} from '../fixture.ts';

async function closed(store: RecordStore): Promise<void> {
  await store.stopServing();
  store.close();
}

async function observed(path: string): Promise<RecordedObservation[]> {
  const reader = await openReader(path);
  try {
    return await reader.observations({ intents: true });
  } finally {
    reader.close();
  }
}

async function count(path: string, table: string): Promise<number> {
  const reader = await openReader(path);
  try {
    return Number((await reader.query(`SELECT count(*) FROM ${table}`)).rows[0]![0]);
  } finally {
    reader.close();
  }
}

/** An hour is in the block of its first event. */
function withoutBlocks(observation: RecordedObservation): object {
  return { ...observation, blocks: [] };
}

/** 5,000 events in each of five hours, of 100 short-lived processes of one program. */
async function fill(t: TestContext): Promise<{ path: string; store: RecordStore }> {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const recording = await startRecording(store, LEARN);
  recording.command('curl');
  for (let pid = 1; pid <= 100; pid++) recording.process(processRow({ key: BigInt(pid), pid }));
  for (let hour = 0; hour < 5; hour++) {
    for (let part = 0; part < 5; part++) {
      recording.append(
        batchOf(
          Array.from({ length: 1000 }, (_, row): Event => ({
            time: START + hour * HOUR + part * 1000 + row,
            process: 1 + (row % 100),
            low: BigInt(row % 10),
            verdict: row % 2,
            operation: row % 3,
          })),
          recording,
        ),
      );
    }
  }
  await recording.end('complete');
  return { path, store };
}

test('old events become hourly rows that tell the same, apart from each single time', async (t) => {
  const { path, store } = await fill(t);
  const before = await observed(path);
  const keeper = await store.retention({ seconds: 2 * 3600 });
  const report = await keeper.look(START + 5 * HOUR - 1);
  assert.deepEqual([report.folded, report.tooLarge], [10_000, false], 'the hours that ended two hours ago');
  assert.deepEqual((await observed(path)).map(withoutBlocks), before.map(withoutBlocks));
  assert.deepEqual([await count(path, 'event'), await count(path, 'hourly')], [15_000, 60]);
  const again = await keeper.look(START + 5 * HOUR - 1);
  assert.equal(again.folded, 0);
  await keeper.look(START + 100 * HOUR);
  assert.deepEqual([await count(path, 'event'), await count(path, 'hourly')], [0, 150]);
  assert.equal(await count(path, 'process'), 1, 'processes that nothing names any more are gone');
  assert.equal(Number((await observed(path)).reduce((sum, each) => sum + each.count, 0)), 25_000);
  await keeper.close();
  await closed(store);
});

test('a clock that leaps forward makes nothing old until it has held for a day', async (t) => {
  const { path, store } = await fill(t);
  await store.connection.run(`UPDATE recording SET ended_at = ${START + 5 * HOUR}`);
  const keeper = await store.retention({ seconds: 6 * 3600 });
  // The present is years after all that the record knows.
  assert.equal((await keeper.look()).folded, 0);
  assert.equal(await count(path, 'event'), 25_000);
  await keeper.close();
  await closed(store);
});

test('events that a wrong clock put into the future are folded too when the record is too large', async (t) => {
  const { path, store } = await fill(t);
  const keeper = await store.retention({ bytes: 1000 });
  const report = await keeper.look(START + HOUR + 1);
  assert.deepEqual([report.folded, report.tooLarge], [20_000, true]);
  assert.equal(await count(path, 'event'), 5000, 'the hour that is being written');
  await keeper.close();
  await closed(store);
});

test('a record above its size is folded from the old end, never its present hour, and says when that is not enough', async (t) => {
  const { path, store } = await fill(t);
  const keeper = await store.retention({ bytes: 1000 });
  const report = await keeper.look(START + 4 * HOUR + 1);
  assert.deepEqual([report.folded, report.tooLarge], [20_000, true]);
  assert.ok(report.bytes > 1000);
  assert.equal(await count(path, 'event'), 5000);
  await keeper.close();
  const roomy = await store.retention({ bytes: 1e9 });
  assert.equal((await roomy.look(START + 100 * HOUR)).folded, 0);
  await roomy.close();
  await closed(store);
});

test('a record that one user fills with ever other destinations keeps its size, and all of everybody else', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const recording = await startRecording(store, LEARN);
  const fill = (uid: number, from: number, rows: number): void => {
    for (let at = from; at < from + rows; at += 1000) {
      const events = Array.from({ length: 1000 }, (_, row): Event => ({
        time: START + at + row,
        uid,
        low: BigInt(((at + row) * 2_654_435_761) % 4_294_967_296),
      }));
      recording.append(batchOf(events, recording));
    }
  };
  fill(7, 0, 5000);
  fill(1000, 5000, 800_000);
  await recording.end('complete');
  const roomy = await store.retention({ bytes: 1e9, seconds: 60 });
  const full = await roomy.look(START + 2 * HOUR);
  await roomy.close();
  const bytes = full.bytes - 1;
  const keeper = await store.retention({ bytes });
  let thinned = 0;
  for (let report; (report?.bytes ?? Infinity) > bytes; thinned += report.thinned) {
    report = await keeper.look(START + 2 * HOUR);
    assert.ok(!report.tooLarge, JSON.stringify(report));
  }
  await keeper.close();
  await closed(store);
  const reader = await openReader(path);
  const rows = async (sql: string) => (await reader.query(sql)).rows.map((row) => row.map(Number));
  const kept = await rows('SELECT uid, sum(count) FROM connections GROUP BY uid ORDER BY uid');
  assert.deepEqual(kept[0], [7, 5000]);
  assert.ok(kept[1]![1]! > 50_000, 'half of them at a time');
  assert.deepEqual(await rows(`SELECT uid, sum(count) FROM loss WHERE kind = 'size' GROUP BY uid`), [
    [1000, 800_000 - kept[1]![1]!],
  ]);
  assert.equal(thinned, 800_000 - kept[1]![1]!);
  reader.close();
});

test('what was started by another program stays apart, whichever process it was', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const recording = await startRecording(store, LEARN);
  for (const [pid, command] of [
    [1, 'sshd'],
    [2, 'cron'],
    [3, 'sshd'],
  ] as const) {
    const process = recording.process(processRow({ pid, ancestors: [{ ...ancestorRow(command), pid }] }));
    recording.append(batchOf([{ process }], recording));
  }
  await recording.end('complete');
  const keeper = await store.retention({ seconds: 3600 });
  await keeper.look(START + 5 * HOUR);
  await keeper.close();
  await closed(store);
  const reader = await openReader(path);
  const { rows } = await reader.query('SELECT ancestors, count FROM connections ORDER BY 1');
  assert.deepEqual(rows, [
    ['cron', '1'],
    ['sshd', '2'],
  ]);
  reader.close();
});

test('processes of an open recording go when no event names them and none will', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const recording = await startRecording(store, LEARN);
  const keeper = await store.retention({ seconds: 3600 });
  const hour = (from: number, at: number): void => {
    for (let pid = from; pid < from + 100; pid++) {
      recording.append(batchOf([{ process: recording.process(processRow({ pid })), time: at }], recording));
    }
    recording.flush();
  };
  const ids = async (): Promise<number[]> => {
    const reader = await openReader(path);
    const { rows } = await reader.query('SELECT id FROM process ORDER BY id');
    reader.close();
    return rows.map(([id]) => Number(id));
  };
  hour(1, START);
  await keeper.look(START + 3 * HOUR);
  assert.equal((await ids()).length, 100, 'each of them may be used again');
  hour(101, START + HOUR);
  recording.settle(Int32Array.of(7, 150));
  hour(201, START + HOUR + 1);
  hour(301, START + 4 * HOUR);
  await keeper.look(START + 5 * HOUR);
  const [first, ...others] = await ids();
  assert.equal(first, 1, 'what stands for all others');
  assert.deepEqual(others, [7, 150, ...Array.from({ length: 200 }, (_, index) => 201 + index)]);
  assert.equal(
    (await observed(path)).reduce((sum, { count }) => sum + count, 0),
    400,
  );
  await recording.end('complete');
  await keeper.look(START + 100 * HOUR);
  assert.deepEqual(await ids(), [1]);
  await keeper.close();
  await closed(store);
});

test('folding goes on beside recording and reading, and loses nothing', async (t) => {
  const { path, store } = await fill(t);
  const recording = await startRecording(store, LEARN);
  const keeper = await store.retention({ seconds: 1 });
  let appended = 0;
  const timer = setInterval(() => {
    recording.append(
      batchOf(
        Array.from({ length: 500 }, () => ({ time: Date.now() * 1000 })),
        recording,
      ),
    );
    recording.flush();
    appended += 500;
  }, 2);
  const [report] = await Promise.all([keeper.look(), observed(path), observed(path)]);
  clearInterval(timer);
  assert.equal(report.folded, 25_000);
  await recording.end('complete');
  await keeper.close();
  await closed(store);
  const total = (await observed(path)).reduce((sum, each) => sum + each.count, 0);
  assert.equal(total, 25_000 + appended);
});
