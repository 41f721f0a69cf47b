import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BATCH_ROWS } from '../../../../profiler/event/batch.ts';
import { openReader, type Reader } from '../../../../profiler/read/read.ts';
import { RecorderClient } from '../../../../profiler/serve/recorder-client.ts';
import { StoreProcess } from '../../../../profiler/store/store-process.ts';
import { batchOf, databaseFor, HOUR, LEARN, mountReason, processRow, START } from '../fixture.ts';

test('a recording through the process of the store has its names, events and losses, and its end', async (t) => {
  const path = databaseFor(t);
  const store = await StoreProcess.open(path);
  const recording = await store.startRecording(LEARN);
  const process = recording.process(processRow());
  const command = recording.command('curl');
  recording.append(
    batchOf(
      [
        { process, command },
        { process, command, port: 80 },
      ],
      recording,
    ),
  );
  recording.recordLoss('ring', 3);
  await recording.end('complete');
  await store.close();
  assert.ok(!existsSync(`${path}.lock`) && !existsSync(`${path}.sock`));
  const reader = await openReader(path);
  const observations = await reader.observations();
  assert.deepEqual(
    observations.map(({ subject, port, count }) => [subject.exe, port, count]),
    [
      ['/usr/bin/curl', 80, 1],
      ['/usr/bin/curl', 443, 1],
    ],
  );
  assert.deepEqual(await reader.losses(), [{ recording: 1, kind: 'ring', count: 3 }]);
  assert.equal((await reader.recordings())[0]!.state, 'complete');
  reader.close();
});

test('events that a slow watcher misses are counted there, all that their rows stand for', async (t) => {
  const path = databaseFor(t);
  const store = await StoreProcess.open(path);
  const recording = await store.startRecording(LEARN);
  const messages = await (await RecorderClient.connect(path)).watch();
  const batches = 120;
  const rows = Array.from({ length: BATCH_ROWS }, () => ({ count: 3 }));
  for (let each = 0; each < batches; each += 1) {
    while (recording.room < BATCH_ROWS) await sleep(5);
    recording.append(batchOf(rows, recording));
  }
  const ended = recording.end('complete').then(() => store.close());
  let [shown, missed] = [0, 0];
  for await (const message of messages) {
    if ('batch' in message) shown += message.batch.rows * 3;
    if ('missed' in message) missed += message.missed;
  }
  await ended;
  assert.ok(missed > 0);
  assert.equal(shown + missed, batches * BATCH_ROWS * 3);
});

test('readers are answered with what this process knows, and files belong to their owner until the end', async (t) => {
  const path = databaseFor(t);
  const before = process.umask();
  const store = await StoreProcess.open(path);
  store.kernelSide = () => ({ pending: 42, capacity: 100 });
  const recording = await store.startRecording(LEARN);
  recording.append(batchOf([{}, {}], recording));
  recording.flush();
  const reader = await openReader(path);
  const live = reader.live;
  assert.deepEqual([live?.recording, live?.events, live?.pending, live?.capacity], [1, 2, 42, 100]);
  assert.deepEqual(live?.events, store.status().events);
  assert.equal((await reader.observations())[0]!.count, 2);
  reader.close();
  for (const file of [path, `${path}.wal`, `${path}.sock`]) assert.equal(statSync(file).mode & 0o77, 0, file);
  await recording.end('complete');
  await store.close();
  assert.equal(process.umask(), before);
});

test('a queue that is full takes no more, and nothing that was taken is lost', async (t) => {
  const path = databaseFor(t);
  const store = await StoreProcess.open(path);
  const recording = await store.startRecording(LEARN);
  const batch = batchOf(Array.from({ length: BATCH_ROWS }, (_, row) => ({ low: BigInt(row) })));
  const { room } = recording;
  let full = 0;
  for (let batches = 0; batches < 500; batches += 1) {
    for (; recording.room === 0; full += 1) await sleep(1);
    assert.ok(recording.room <= room);
    recording.append(batch);
  }
  assert.ok(full > 0, 'the database is slower than we are');
  await recording.end('complete');
  await store.close();
  const reader = await openReader(path);
  assert.equal((await reader.extent()).events, 500 * BATCH_ROWS);
  reader.close();
});

test('what stands in the way of opening arrives as it is, and leaves no process and no umask behind', async (t) => {
  const path = databaseFor(t);
  mkdirSync(dirname(path));
  writeFileSync(path, 'no database '.repeat(1000));
  const before = process.umask();
  await assert.rejects(StoreProcess.open(path), { name: 'BouhekiError', code: 'store' });
  assert.deepEqual(children(), []);
  assert.equal(process.umask(), before);
});

/** Of this process. */
function children(): number[] {
  return readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8')
    .split(' ')
    .filter(Boolean)
    .map(Number);
}

for (const signal of ['SIGKILL', 'SIGABRT'] as const) {
  test(`a process of the store that ends with ${signal} ends the recording, and nothing waits for it`, async (t) => {
    const path = databaseFor(t);
    const store = await StoreProcess.open(path);
    const recording = await store.startRecording(LEARN);
    recording.append(batchOf([{}, {}], recording));
    recording.flush();
    while ((await openReader(path).then(eventsOf)) !== 2) await sleep(10);
    const [pid] = children();
    assert.equal(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'), '500\n', 'it goes before this one');
    process.kill(pid!, signal);
    const failure = { code: 'store', message: `the process that writes the record ended with ${signal}` };
    await assert.rejects(async () => {
      for (;;) {
        if (recording.room > 0) recording.append(batchOf([{}]));
        recording.flush();
        await sleep(2);
      }
    }, failure);
    assert.equal(recording.room, Number.POSITIVE_INFINITY, 'the next one is told, too');
    await assert.rejects(recording.end('complete'), failure);
    recording.abandon();
    await assert.rejects(store.learningWindow({ host: '', target: 'host', seconds: 1 }), failure);
    await store.close();
    assert.ok(
      (await openReader(path).then(eventsOf)) >= 2,
      'what was committed is there, and the file is free',
    );
    const next = await StoreProcess.open(path);
    assert.equal(next.past.interrupted.length, 1);
    await next.close();
  });
}

async function eventsOf(reader: Reader): Promise<number> {
  const { events } = await reader.extent();
  reader.close();
  return events;
}

test('a process of the store that stops is silent, and can be ended', async (t) => {
  const path = databaseFor(t);
  const store = await StoreProcess.open(path);
  const recording = await store.startRecording(LEARN);
  process.kill(children()[0]!, 'SIGSTOP');
  recording.flush();
  while (store.silence() < 50) await sleep(5);
  store.kill();
  await store.close();
  assert.ok(!recording.open);
});

test('signals to the whole group are for the process that records', async (t) => {
  const path = databaseFor(t);
  const store = await StoreProcess.open(path);
  const recording = await store.startRecording(LEARN);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(children()[0]!, signal);
  recording.append(batchOf([{}], recording));
  await recording.end('complete');
  await store.close();
  const reader = await openReader(path);
  assert.equal((await reader.recordings())[0]!.state, 'complete');
  reader.close();
});

test('old events are folded and told of', async (t) => {
  const path = databaseFor(t);
  const store = await StoreProcess.open(path);
  const recording = await store.startRecording(LEARN);
  // The last one, because the record itself is what a clock must agree with.
  recording.append(batchOf([{}, {}, { time: START + HOUR }, { time: Date.now() * 1000 }], recording));
  recording.flush();
  const report = await new Promise((resolve, reject) =>
    store.keepWithin({ seconds: 3600 }, { folded: resolve, failed: reject }),
  );
  assert.deepEqual(Object.entries(report as object)[0], ['folded', 3]);
  await recording.end('complete');
  await store.close();
});

test(
  'a full disk is told to whoever appends next, and the store can be closed',
  { skip: mountReason() },
  async (t) => {
    const path = databaseFor(t, 'size=4m');
    const store = await StoreProcess.open(path);
    const recording = await store.startRecording(LEARN);
    let time = START;
    const batch = batchOf(
      Array.from({ length: BATCH_ROWS }, (_, row) => ({
        time: (time += 1000),
        low: BigInt(row * 2_654_435),
      })),
    );
    const failure = { code: 'disk-full', message: /no space left/ };
    await assert.rejects(async () => {
      for (;;) {
        if (recording.room > 0) recording.append(batch);
        recording.flush();
        await sleep(2);
      }
    }, failure);
    assert.ok(!recording.open);
    assert.throws(() => recording.flush(), failure);
    assert.equal(recording.room, Number.POSITIVE_INFINITY, 'the next one is told, too');
    recording.abandon();
    await store.close();
    const reader = await openReader(path);
    const [left] = await reader.recordings();
    assert.equal(left!.state, 'interrupted');
    assert.ok(left!.events > 0 && left!.events % BATCH_ROWS === 0);
    reader.close();
  },
);
