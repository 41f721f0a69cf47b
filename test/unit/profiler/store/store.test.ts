import { DuckDBInstance } from '@duckdb/node-api';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { CONNECTIONS } from '../../../../profiler/database/connection-column.ts';
import { MIGRATIONS } from '../../../../profiler/database/schema-sql.ts';
import { BATCH_ROWS } from '../../../../profiler/event/batch.ts';
import { openReader } from '../../../../profiler/read/read.ts';
import { openRecorder } from '../../../../profiler/store/store.ts';
import {
  ancestorRow,
  batchOf,
  databaseFor,
  type Event,
  LEARN,
  mountReason,
  processRow,
  START,
  startRecording,
} from '../fixture.ts';

/**
 * Of what CONNECTIONS says. A database gets a new view with a new version alone: when this differs, add a list to MIGRATIONS
 * (an empty one, where no table changes), and then its length and the new sum here.
 */
const VIEW = { version: 12, sum: 'f59593103b1d68d2' };

/** What a user with a DuckDB of their own would see. */
async function query(path: string, sql: string): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(path, { access_mode: 'READ_ONLY' });
  const connection = await instance.connect();
  const rows = (await connection.runAndReadAll(sql)).getRowObjectsJson();
  connection.closeSync();
  instance.closeSync();
  return rows;
}

/** Every column of the view for one event in a container. */
const CONTAINER_ROW = {
  time: '2026-11-21 00:00:00',
  host: 'web1',
  pid: 4711,
  command: 'python3',
  exe: '/usr/bin/python3',
  script: '/srv/app.py',
  uid: 1000,
  euid: 0,
  fsuid: 0,
  gid: 1000,
  egid: 100,
  fsgid: 7,
  user_name: null,
  euser_name: null,
  group_name: null,
  egroup_name: null,
  ancestors: 'sh < sshd',
  in_container: true,
  container: 'web',
  inner_container: null,
  image: 'example/web:1',
  image_digest: 'sha256:d',
  labels: '{"tier":"front"}',
  pod: 'shop',
  namespace: 'prod',
  unit: 'app.service',
  cgroup: '/user.slice',
  address: '10.0.0.1',
  port: 5432,
  protocol: 'tcp',
  name: 'db.example',
  names: 'db.example',
  name_known: 'self',
  age: 3,
  operation: 'send',
  socket: null,
  verdict: 'deny',
  noted: false,
  rule: 'after reload',
  count: '1',
  recording: 1,
};

test('the view connections shows an event with every name that belongs to it', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const recording = await startRecording(store, { ...LEARN, command: 'enforce', mode: 'block' });
  const container = recording.container({
    runtime: 'podman',
    id: 'f'.repeat(64),
    name: '',
    image: '',
    imageId: '',
  });
  const process = recording.process(
    processRow({
      exe: '/usr/bin/python3',
      script: '/srv/app.py',
      containerId: container,
      unit: 'app.service',
    }),
  );
  recording.updateContainer(container, {
    runtime: 'podman',
    id: 'f'.repeat(64),
    name: 'web',
    image: 'example/web:1',
    imageId: 'sha256:0',
    digest: 'sha256:d',
    labels: { tier: 'front' },
    pod: 'shop',
    namespace: 'prod',
  });
  recording.account('user', 1000, 'ada');
  recording.account('user', 0, 'root');
  recording.account('group', 100, 'users');
  const command = recording.command('python3');
  assert.equal(recording.boxes([{ name: 'deny all', action: 'deny' }]), 0);
  assert.equal(recording.boxes([{ name: 'after reload', action: 'allow' }]), 1);
  const ids = { euid: 0, egid: 100, fsgid: 7 };
  const known = { names: ['db.example'], known: 1, age: 3 };
  const event = { process, command, ...ids, ...known, box: 1, verdict: 1, port: 5432, operation: 1 };
  const host = { ...event, process: recording.process(processRow({ key: 2n })), time: START + 1 };
  recording.append(batchOf([event, host], recording));
  await recording.end('complete');
  store.close();
  const names =
    'SELECT user_name, euser_name, group_name, egroup_name FROM connections WHERE NOT in_container';
  assert.deepEqual(await query(path, names), [
    { user_name: 'ada', euser_name: 'root', group_name: null, egroup_name: 'users' },
  ]);
  assert.deepEqual(await query(path, 'FROM connections WHERE in_container'), [CONTAINER_ROW]);
});

test('a change of the view gives the database a new version', () => {
  const sum = createHash('sha256').update(CONNECTIONS.join(';').replaceAll(/\s+/g, ' ')).digest('hex');
  assert.deepEqual({ version: MIGRATIONS.length, sum: sum.slice(0, 16) }, VIEW);
});

test('ancestors are JSON that SQL can look into, and text in which no name poses as two', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const recording = await startRecording(store, LEARN);
  const unknown = { ...ancestorRow(''), exe: '', primed: true };
  for (const ancestors of [[ancestorRow('a < sshd'), unknown], [], [ancestorRow('cron')]]) {
    recording.append(batchOf([{ process: recording.process(processRow({ ancestors })) }]));
  }
  await recording.end('complete');
  store.close();
  assert.deepEqual(await query(path, 'SELECT ancestors FROM connections ORDER BY 1'), [
    { ancestors: String.raw`a \x3c sshd < ` },
    { ancestors: 'cron' },
    { ancestors: null },
  ]);
  const [stored] = await query(path, 'SELECT ancestors FROM process WHERE id = 1');
  assert.deepEqual(JSON.parse(String(stored!['ancestors'])), [
    { pid: 4000, started_at: START, command: 'a < sshd', exe: '/usr/bin/a < sshd', primed: false },
    { pid: 4000, started_at: START, command: '', primed: true },
  ]);
  assert.deepEqual(await query(path, `SELECT ancestors->>'$[0].exe' AS exe FROM process WHERE id = 3`), [
    { exe: '/usr/bin/cron' },
  ]);
});

test('addresses are dotted IPv4 and shortest IPv6', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const recording = await startRecording(store, LEARN);
  const texts: [Event, string][] = [
    [{ low: 0n }, '0.0.0.0'],
    [{ low: 0xfffefdfcn }, '255.254.253.252'],
    [{ family: 6 }, '::a00:1'],
    [{ family: 6, low: 0n }, '::'],
    [{ family: 6, low: 1n }, '::1'],
    [{ family: 6, high: 0xfd00_0ec2_0000_0000n, low: 0x254n }, 'fd00:ec2::254'],
    [{ family: 6, high: 0x2001_0db8_0000_0000n, low: 0x0001_0000_0000_0000n }, '2001:db8:0:0:1::'],
    [{ family: 6, high: 0x2001_0000_0000_0001n, low: 0x0000_0000_0000_0001n }, '2001:0:0:1::1'],
    [{ family: 6, high: 0x2001_0db8_0000_0001n, low: 0x0001_0001_0001_0001n }, '2001:db8:0:1:1:1:1:1'],
    [{ family: 6, high: 0x0001_0002_0003_0004n, low: 0x0005_0006_0007_0008n }, '1:2:3:4:5:6:7:8'],
    [{ family: 6, high: 2n ** 64n - 1n, low: 2n ** 64n - 1n }, 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ];
  recording.append(
    batchOf(
      texts.map(([event], index) => ({ ...event, time: START + index })),
      recording,
    ),
  );
  await recording.end('complete');
  store.close();
  const rows = await query(path, 'SELECT address FROM connections ORDER BY time');
  assert.deepEqual(
    rows.map((row) => row.address),
    texts.map(([, text]) => text),
  );
});

test('an event without its process or command is kept, with unknown names', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const recording = await startRecording(store, LEARN);
  recording.append(batchOf([{ process: 0, command: 0 }], recording));
  await recording.end('complete');
  store.close();
  const [row] = await query(path, 'SELECT exe, command, address FROM connections');
  assert.deepEqual(row, { exe: null, command: null, address: '10.0.0.1' });
});

test('full and partial batches arrive whole when one chunk is reused', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const recording = await startRecording(store, LEARN);
  let expected = 0n;
  let time = START;
  let rows = 0;
  for (const length of [BATCH_ROWS, 1, 700, BATCH_ROWS, 0, 3]) {
    const events = Array.from({ length }, (): Event => ({ time: (time += 1), port: time % 65_536 }));
    for (const event of events) expected += BigInt(event.time!) + BigInt(event.port!);
    rows += length;
    recording.append(batchOf(events, recording));
  }
  assert.equal(recording.counters.events, rows);
  await recording.end('complete');
  store.close();
  assert.deepEqual(await query(path, 'SELECT count(*) AS n, sum(time + port) AS sum FROM event'), [
    { n: String(rows), sum: String(expected) },
  ]);
});

test('only the owner can read the database, its log and its directory', async (t) => {
  const path = databaseFor(t);
  const before = process.umask(0);
  t.after(() => process.umask(before));
  const store = await openRecorder(path);
  const recording = await startRecording(store, LEARN);
  recording.append(batchOf([{}], recording));
  recording.flush();
  const directory = dirname(path);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  const files = readdirSync(directory);
  assert.ok(files.includes('bouheki.duckdb.wal'), files.join());
  for (const file of files) assert.equal(statSync(join(directory, file)).mode & 0o777, 0o600, file);
  assert.equal(process.umask(), 0, 'the umask of the process is as before');
  await recording.end('complete');
  store.close();
  assert.deepEqual(readdirSync(directory), ['bouheki.duckdb'], 'no lock and no log stay behind');
});

test('losses are kept by kind, and nothing is written for a loss of none', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const recording = await startRecording(store, LEARN);
  recording.recordLoss('ring', 5);
  recording.recordLoss('ring', 2);
  recording.recordLoss('map', 0);
  recording.recordLoss('process', 1);
  const none = {
    'denial-ring': 0,
    map: 0,
    share: 0,
    'denial-share': 0,
    size: 0,
    answer: 0,
    name: 0,
    skipped: 0,
  };
  assert.deepEqual(recording.counters.lost, { ...none, ring: 7, process: 1 });
  await recording.end('complete');
  store.close();
  const reader = await openReader(path);
  assert.deepEqual(await reader.losses(), [
    { recording: 1, kind: 'process', count: 1 },
    { recording: 1, kind: 'ring', count: 7 },
  ]);
  reader.close();
});

test('equal command names share a row', async (t) => {
  const store = await openRecorder(databaseFor(t));
  const recording = await startRecording(store, LEARN);
  assert.deepEqual(
    ['a', 'b', 'a'].map((text) => recording.command(text)),
    [1, 2, 1],
  );
  await recording.end('complete');
  store.close();
});

test('a second run appends to the same database under a new number', async (t) => {
  const path = databaseFor(t);
  for (const host of ['one', 'two']) {
    const store = await openRecorder(path);
    assert.deepEqual(store.past.interrupted, []);
    const recording = await startRecording(store, { ...LEARN, host });
    recording.append(batchOf([{}], recording));
    await recording.end('complete');
    await recording.end('complete');
    store.close();
  }
  const reader = await openReader(path);
  const recordings = await reader.recordings();
  reader.close();
  assert.deepEqual(
    recordings.map(({ id, host, state, events }) => [id, host, state, events]),
    [
      [1, 'one', 'complete', 1],
      [2, 'two', 'complete', 1],
    ],
  );
});

test(
  'a full disk stops the recording and loses nothing that was committed',
  { skip: mountReason() },
  async (t) => {
    const path = databaseFor(t, 'size=4m');
    const store = await openRecorder(path);
    const recording = await startRecording(store, LEARN);
    let time = START;
    const batch = batchOf(
      Array.from({ length: BATCH_ROWS }, (_, row) => ({
        time: (time += 1000),
        low: BigInt(row * 2_654_435),
      })),
    );
    let committed = 0;
    assert.throws(
      () => {
        for (let round = 0; round < 1000; round++) {
          recording.append(batch);
          recording.flush();
          committed += BATCH_ROWS;
        }
      },
      { code: 'disk-full', message: /no space left/ },
    );
    assert.throws(() => recording.flush(), { code: 'disk-full' });
    await assert.rejects(recording.end('interrupted'), { code: 'disk-full' });
    store.close();

    const reader = await openReader(path);
    const [left] = await reader.recordings();
    reader.close();
    assert.ok(committed > 0);
    assert.deepEqual([left!.state, left!.events], ['interrupted', committed]);

    spawnSync('mount', ['-o', 'remount,size=64m', dirname(path)]);
    const again = await openRecorder(path);
    const next = await startRecording(again, LEARN);
    next.append(batch);
    await next.end('complete');
    again.close();
    assert.deepEqual(await query(path, 'SELECT count(*) AS n FROM event'), [
      { n: String(committed + BATCH_ROWS) },
    ]);
  },
);
