import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BouhekiError } from '../../../error/error.ts';
import { FrameDecoder } from '../../../profiler/frame.ts';
import type { Greeting } from '../../../profiler/protocol.ts';
import { openReader } from '../../../profiler/read.ts';
import { openRecorder } from '../../../profiler/store.ts';
import { batchOf, databaseFor, LEARN, START } from './fixture.ts';

async function startChild(t: TestContext, path: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'recorder-child.js'), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
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
  const recording = await store.startRecording(LEARN);
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

test('nobody writes, ends the view or reaches a file through the recorder, and errors arrive as they are', async (t) => {
  const path = databaseFor(t);
  await startChild(t, path);
  const reader = await openReader(path);
  for (const [sql, message] of [
    ['DELETE FROM event', /can only be read/],
    ['EXPLAIN ANALYZE DELETE FROM event', /read-only/],
    ['SELECT 1; DELETE FROM event', /one statement/],
    ['COMMIT', /can only be read/],
    ["SELECT * FROM read_csv('/etc/passwd')", /disabled by configuration/],
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
  const recording = await store.startRecording(LEARN);
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
  assert.deepEqual([greeting!.bouheki, greeting!.protocol, greeting!.pid], ['recorder', 1, process.pid]);
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
  const recording = await store.startRecording(LEARN);
  recording.append(batchOf([{}], recording));
  recording.flush();
  const reader = await openReader(path);
  const reading = assert.rejects(reader.query('SELECT count(*) FROM range(1000000000) a, range(1000000) b'));
  await sleep(50);
  recording.append(batchOf([{}], recording));
  await recording.end('complete');
  await store.stopServing();
  await reading;
  reader.close();
  store.close();
  const after = await openReader(path);
  assert.deepEqual(
    (await after.recordings()).map(({ state, events }) => [state, events]),
    [['complete', 2]],
  );
  after.close();
});

test('readers beyond the eighth are told to come again', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const readers = await Promise.all(Array.from({ length: 8 }, () => openReader(path)));
  await assert.rejects(openReader(path), { code: 'store-busy', message: /already answers 8 readers/ });
  for (const reader of readers) reader.close();
  // The server hears only later that they are gone.
  let reader: Awaited<ReturnType<typeof openReader>> | undefined;
  while (reader === undefined) {
    reader = await openReader(path).catch(async (error: BouhekiError) => {
      assert.equal(error.code, 'store-busy');
      await sleep(20);
      return undefined;
    });
  }
  reader.close();
  await store.stopServing();
  store.close();
});

test('a statement ends with the reader that asked it', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const reader = await openReader(path);
  const endless = reader.query('SELECT count(*) FROM range(1000000000) a, range(1000000) b');
  const failed = assert.rejects(endless, { code: 'store-busy', message: /before it had answered/ });
  await sleep(100);
  reader.close();
  await failed;
  const started = Date.now();
  await store.stopServing();
  assert.ok(Date.now() - started < 5000, 'closing does not wait for it to finish');
  store.close();
});

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
  const recording = await store.startRecording(LEARN);
  recording.append(batchOf([{}], recording));
  await recording.end('complete');
  store.close();
  rmSync(`${path}.sock`, { recursive: true });
});
