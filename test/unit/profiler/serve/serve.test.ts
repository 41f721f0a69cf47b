import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FrameDecoder } from '../../../../profiler/serve/frame.ts';
import type { Greeting } from '../../../../profiler/serve/protocol.ts';
import { openLive, openReader } from '../../../../profiler/read/read.ts';
import { RecorderClient } from '../../../../profiler/serve/recorder-client.ts';
import { openRecorder } from '../../../../profiler/store/store.ts';
import { endAtEnd } from '../../at-end.ts';
import {
  batchOf,
  databaseFor,
  LEARN,
  mountReason,
  START,
  openRecording,
  startRecording,
} from '../fixture.ts';

async function startChild(t: TestContext, path: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../recorder-child.js'), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  endAtEnd(t, child);
  await once(child.stdout!, 'data');
  return child;
}

test('a reader of another process sees what the recorder has flushed, and not what it has not', async (t) => {
  const path = databaseFor(t);
  await startChild(t, path);
  const reader = await openReader(path);
  const [running] = await reader.recordings();
  assert.deepEqual([running!.state, running!.events, running!.endedAt], ['running', 100, START + 99]);
  const [seen] = await reader.observations();
  assert.deepEqual([seen!.subject.exe, seen!.address, seen!.count], ['/usr/bin/curl', 0x0a000001n, 100]);
  const [activity] = (await reader.history()).activity;
  assert.equal(activity!.hours.length, 1);
  assert.deepEqual(await reader.losses(), []);
  const answer = await reader.query('SELECT port, count(*) AS n FROM connections GROUP BY ALL');
  assert.deepEqual(answer, { columns: ['port', 'n'], rows: [[443, '100']] });
  reader.close();
});

test('one reader keeps one view while the recorder goes on', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const recording = await startRecording(store, LEARN);
  const add = (): void => {
    recording.append(batchOf([{}], recording));
    recording.flush();
  };
  add();
  const reader = await openReader(path);
  add();
  assert.equal((await reader.observations())[0]!.count, 1);
  assert.equal((await reader.recordings())[0]!.events, 1);
  reader.close();
  const later = await openReader(path);
  assert.equal((await later.observations())[0]!.count, 2);
  later.close();
  await recording.end('complete');
  await store.stopServing();
  store.close();
});

test('a statement of a user that may do more than read is refused, and errors arrive as they are', async (t) => {
  const path = databaseFor(t);
  await startChild(t, path);
  const reader = await openReader(path, 'query');
  for (const [sql, message] of [
    ['DELETE FROM event', /can only be read/],
    ['EXPLAIN ANALYZE DELETE FROM event', /can only be read/],
    ['SELECT 1; DELETE FROM event', /one statement/],
    ['COMMIT', /can only be read/],
    ["SELECT * FROM read_csv('/etc/passwd')", /function read_csv can't be used/],
    ['SELECT nonsense FROM connections', /nonsense/],
    ['SELEC', /syntax error/],
  ] as const) {
    await assert.rejects(reader.query(sql), { name: 'BouhekiError', code: 'usage', message }, sql);
  }
  assert.equal((await reader.observations())[0]!.count, 100, 'a failed statement does no harm');
  reader.close();
});

test('an answer of many parts arrives whole, while events are flushed', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const recording = await startRecording(store, LEARN);
  const batch = batchOf(Array.from({ length: 2000 }, (_, row) => ({ low: BigInt(row) })));
  for (let round = 0; round < 50; round++) recording.append(batch);
  recording.flush();
  const timer = setInterval(() => {
    recording.append(batch);
    recording.flush();
  }, 1);
  const reader = await openReader(path);
  const sum = await reader.query('SELECT sum(address_low)::BIGINT FROM event');
  const { rows } = await reader.query('SELECT address_low FROM event');
  clearInterval(timer);
  assert.equal(String(rows.reduce((total, [low]) => total + BigInt(low as string), 0n)), sum.rows[0]![0]);
  assert.ok(rows.length >= 100_000 && rows.length === Number(rows.length));
  reader.close();
  const { events } = recording.counters;
  await recording.end('complete');
  await store.stopServing();
  store.close();
  const after = await openReader(path);
  assert.equal((await after.recordings())[0]!.events, events);
  after.close();
});

test('the socket belongs to the owner alone, greets with its version and goes away with the recorder', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  assert.equal(statSync(`${path}.sock`).mode & 0o777, 0o600);
  const socket = connect(`${path}.sock`);
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  const [greeting] = [...new FrameDecoder(1000).push(bytes)] as Greeting[];
  assert.deepEqual([greeting!.bouheki, greeting!.protocol, greeting!.pid], ['recorder', 4, process.pid]);
  socket.on('error', () => undefined);
  socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff]));
  await once(socket, 'close');
  await store.stopServing();
  store.close();
  assert.throws(() => statSync(`${path}.sock`), { code: 'ENOENT' });
});

test('a recording ends while somebody reads', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const recording = await startRecording(store, LEARN);
  recording.append(batchOf([{}], recording));
  recording.flush();
  const reader = await openReader(path);
  const reading = assert.rejects(reader.query('SELECT count(*) FROM range(1000000000) a, range(1000000) b'));
  recording.append(batchOf([{}], recording));
  await recording.end('complete');
  await store.stopServing();
  store.close();
  reader.close();
  await reading;
  const after = await openReader(path);
  assert.deepEqual(
    (await after.recordings()).map(({ state, events }) => [state, events]),
    [['complete', 2]],
  );
  after.close();
});

test('readers beyond the eighth wait for a moment, and are told to come again', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  // A reader that has its answer hangs up: eight that stay ask nothing.
  const others = await Promise.all(Array.from({ length: 8 }, () => RecorderClient.connect(path)));
  await assert.rejects(openReader(path), { code: 'store-busy', message: /already answers 8 readers/ });
  const waiting = openReader(path);
  for (const other of others) other.close();
  (await waiting).close();
  const together = await Promise.all(Array.from({ length: 12 }, () => openReader(path)));
  for (const reader of together) reader.close();
  await store.stopServing();
  store.close();
});

test('a statement ends with the reader that asked it', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const reader = await openReader(path);
  const endless = reader.query('SELECT count(*) FROM range(1000000000) a, range(1000000) b');
  const failed = assert.rejects(endless, { code: 'usage' });
  reader.close();
  await failed;
  await store.stopServing();
  store.close();
});

test('a reader copies beside the record, for itself alone, and leaves nothing there', async (t) => {
  const path = databaseFor(t);
  await startChild(t, path);
  const beside = (): string[] => readdirSync(dirname(path)).filter((name) => name.includes('.read.'));
  mkdirSync(`${path}.read.${2 ** 22 + 1}.killed`);
  const reader = await openReader(path);
  assert.deepEqual(
    beside().map((name) => [name.split('.').at(-2), statSync(join(dirname(path), name)).mode & 0o777]),
    [[String(process.pid), 0o700]],
    'that of a process that was killed is gone',
  );
  assert.deepEqual(readdirSync(join(dirname(path), beside()[0]!)), [], 'the files have no names');
  assert.equal((await reader.observations())[0]!.count, 100);
  reader.close();
  assert.deepEqual(beside(), []);
});

test('a file that is checkpointed all the time is copied as it was at one of these times', async (t) => {
  const path = databaseFor(t);
  const child = spawn(process.execPath, [join(import.meta.dirname, '../restless-recorder-child.js'), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  endAtEnd(t, child);
  await once(child.stdout, 'data');
  for (let round = 0; round < 8; round += 1) {
    const reader = await openReader(path);
    const { rows } = await reader.query('SELECT count(*), count(DISTINCT port), count(*) % 1000 FROM event');
    assert.deepEqual(rows[0]!.slice(1), ['1', '0'], 'whole commits, and nothing of what was rolled back');
    reader.close();
  }
});

test('a reader that stays holds checkpoints off only as long as it is connected', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const threshold = async (): Promise<unknown> =>
    (
      await store.connection.runAndReadAll("SELECT current_setting('checkpoint_threshold')")
    ).getRowsJS()[0]![0];
  const usual = await threshold();
  const [one, other] = [await RecorderClient.connect(path), await RecorderClient.connect(path)];
  await one.hold();
  await other.hold();
  assert.notEqual(await threshold(), usual);
  one.close();
  other.close();
  while ((await threshold()) !== usual) await sleep(5);
  await store.stopServing();
  store.close();
});

test(
  'where there is no room for a copy the reader is told so, and recording goes on',
  { skip: mountReason() },
  async (t) => {
    const path = databaseFor(t, 'size=8m');
    const { store, recording } = await openRecording(path);
    recording.append(batchOf([{}], recording));
    recording.flush();
    (await openReader(path)).close();
    const { bavail, bsize } = statfsSync(dirname(path));
    writeFileSync(join(dirname(path), 'filler'), Buffer.alloc(bavail * bsize - 3 * bsize));
    await assert.rejects(openReader(path), { code: 'disk-full', message: /no room to read it/ });
    assert.deepEqual((await openLive(path))?.events, 1, 'what needs no copy is told');
    rmSync(join(dirname(path), 'filler'));
    recording.append(batchOf([{}], recording));
    await recording.end('complete');
    await store.stopServing();
    store.close();
    assert.deepEqual(
      readdirSync(dirname(path)).filter((name) => name.includes('.read.')),
      [],
    );
  },
);

test('a path too long for a socket address is served all the same', async (t) => {
  const path = join(dirname(databaseFor(t)), 'd'.repeat(120), 'bouheki.duckdb');
  mkdirSync(dirname(path), { recursive: true });
  const store = await openRecorder(path);
  assert.equal(store.unserved, undefined);
  (await openReader(path)).close();
  await store.stopServing();
  store.close();
});

test('recording goes on where no socket can be made, and says why', async (t) => {
  const path = databaseFor(t);
  mkdirSync(join(`${path}.sock`, 'in the way'), { recursive: true });
  const store = await openRecorder(path);
  assert.match(store.unserved!, /EISDIR|EADDRINUSE|directory/);
  await assert.rejects(openReader(path), { code: 'store-busy' });
  const recording = await startRecording(store, LEARN);
  recording.append(batchOf([{}], recording));
  await recording.end('complete');
  store.close();
  rmSync(`${path}.sock`, { recursive: true });
});
