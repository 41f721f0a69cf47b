/** Rows that stand for several equal datagrams: whoever reads the record gets their exact number and times. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { Operation } from '../../../../profiler/event/batch.ts';
import { openReader, type RecordedObservation } from '../../../../profiler/read/read.ts';
import { openRecorder, type RecordStore } from '../../../../profiler/store/store.ts';
import { batchOf, databaseFor, type Event, LEARN, processRow, START, startRecording } from '../fixture.ts';

const HOUR = 3_600_000_000;
/** The first and the last half second of an hour. */
const BEFORE = START - (START % HOUR) + HOUR - 500_000;
const SEND = { operation: Operation.send, protocol: 17, port: 8125 };
/** 3 single ones, 40,000 of one hour, and 20,000 over the end of it. */
const EVENTS: Event[] = [
  { ...SEND, time: BEFORE - HOUR / 2 + 1 },
  { ...SEND, time: BEFORE - HOUR / 2 + 2 },
  { ...SEND, time: BEFORE - HOUR / 2 + 3 },
  { ...SEND, time: BEFORE - HOUR / 2 + 10, count: 40_000, span: 900_000 },
  { ...SEND, time: BEFORE, count: 20_000, span: 999_999 },
];
const ALL = 60_003;

async function fill(t: TestContext, end = true): Promise<{ path: string; store: RecordStore }> {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const recording = await startRecording(store, LEARN);
  recording.process(processRow({ pid: 77 }));
  recording.command('statsd');
  recording.append(batchOf(EVENTS, recording));
  assert.equal(recording.counters.events, ALL);
  recording.flush();
  if (end) await recording.end('complete');
  return { path, store };
}

async function closed(store: RecordStore): Promise<void> {
  await store.stopServing();
  store.close();
}

async function observed(path: string, since?: number): Promise<RecordedObservation[]> {
  const reader = await openReader(path);
  try {
    return await reader.observations(since === undefined ? {} : { since });
  } finally {
    reader.close();
  }
}

const told = ({ blocks, count, first, hours, last }: RecordedObservation) => ({
  count,
  first,
  last,
  hours,
  sum: blocks.reduce((sum, each) => sum + each, 0),
});

test('an observation has their number, the first and last time, and the hours of both ends', async (t) => {
  const { path, store } = await fill(t);
  const expected = { count: ALL, first: BEFORE - HOUR / 2 + 1, last: BEFORE + 999_999, hours: 2, sum: ALL };
  assert.deepEqual((await observed(path)).map(told), [expected]);
  assert.deepEqual(
    (await observed(path, BEFORE)).map(({ count, hours }) => [count, hours]),
    [[20_000, 2]],
  );
  await closed(store);
});

test('the same is read when they are folded to hours', async (t) => {
  const { path, store } = await fill(t);
  const before = (await observed(path)).map(told);
  const keeper = await store.retention({ seconds: 3600 });
  const report = await keeper.look(BEFORE + 10 * HOUR);
  assert.equal(report.folded, ALL);
  const [rows] = (await store.connection.runAndReadAll('SELECT count(*) FROM event')).getRowsJS();
  assert.equal(Number(rows![0]), 0);
  assert.deepEqual((await observed(path)).map(told), before);
  await keeper.close();
  await closed(store);
});

test('the view shows a row each, with its count and pid, and an export too', async (t) => {
  const { path, store } = await fill(t);
  await closed(store);
  const reader = await openReader(path);
  const { rows } = await reader.query('SELECT pid, sum(count), count(*) FROM connections GROUP BY ALL');
  assert.deepEqual(rows, [[77, String(ALL), '5']]);
  const counts: number[] = [];
  for await (const lines of reader.lines('ndjson', {}))
    for (const line of lines) counts.push((JSON.parse(line) as { count: number }).count);
  assert.deepEqual(
    counts.sort((a, b) => a - b),
    [1, 1, 1, 20_000, 40_000],
  );
  reader.close();
});

test('a record that was not ended has their number', async (t) => {
  const { path, store } = await fill(t, false);
  await closed(store);
  const again = await openRecorder(path);
  const [row] = (
    await again.connection.runAndReadAll(`SELECT events::DOUBLE, state FROM recording WHERE id = 1`)
  ).getRowsJS();
  assert.deepEqual(row, [ALL, 'interrupted']);
  await closed(again);
});
