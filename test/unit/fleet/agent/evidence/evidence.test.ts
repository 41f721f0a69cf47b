import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { batchesOf } from '../../../../../fleet/agent/evidence/batch.ts';
import {
  EvidenceTable,
  type EvidenceRow,
  type Host,
} from '../../../../../fleet/agent/evidence/evidence-table.ts';
import { ownAddresses } from '../../../../../fleet/agent/evidence/own-address.ts';
import { windowOf } from '../../../../../fleet/agent/evidence/window.ts';
import { weekOf, weekStart } from '../../../../../fleet/wire/week.ts';
import { openReader } from '../../../../../profiler/read/read.ts';
import type { Recording } from '../../../../../profiler/record/recording.ts';
import {
  batchOf,
  databaseFor,
  type Event,
  HOUR,
  openRecording,
  processRow,
  START,
} from '../../../profiler/fixture.ts';

const WEEK = weekOf(START);
const HOST: Host = { nameOf: () => undefined, own: new Set(['10.0.0.5', '2001:db8::5']) };

/** Rows of the week of START. */
async function rowsOf(
  t: TestContext,
  fill: (recording: Recording) => void,
  revisions: { since: number; revision: number }[] = [],
  host = HOST,
): Promise<EvidenceRow[]> {
  const path = databaseFor(t);
  const { recording, store } = await openRecording(path);
  recording.process(processRow());
  recording.command('curl');
  fill(recording);
  await recording.end('complete');
  await store.stopServing();
  store.close();
  const reader = await openReader(path);
  t.after(() => reader.close());
  const table = new EvidenceTable(WEEK, host, { most: 1000, denied: 0 });
  for await (const part of reader.evidence({ start: weekStart(WEEK), revisions }))
    for (const each of part) table.add(each);
  return table.rows();
}

const add = (recording: Recording, ...events: Event[]): void => recording.append(batchOf(events, recording));
const hoursOf = (row: EvidenceRow): number[] =>
  Array.from({ length: 168 }, (_, hour) => hour).filter((hour) => row.hours[hour >> 3]! & (1 << (hour & 7)));

test('equal events of a week are one row with count, first, last, hours and names', async (t) => {
  const rows = await rowsOf(t, (recording) =>
    add(
      recording,
      { names: ['b.example'] },
      { time: START + HOUR, count: 5, names: ['a.example', 'b.example'] },
      { time: START + 3 * HOUR, count: 2, span: 10 },
      { time: START + 7 * 24 * HOUR },
      { operation: 2, port: 9 },
    ),
  );
  assert.equal(rows.length, 1);
  const [row] = rows as [EvidenceRow];
  assert.deepEqual([row.count, row.first, row.last], [8, START, START + 3 * HOUR + 10]);
  const start = hoursOf(row)[0]!;
  assert.equal(start, (START - weekStart(WEEK)) / HOUR);
  assert.deepEqual(hoursOf(row), [start, start + 1, start + 3]);
  assert.deepEqual(row.names, ['a.example', 'b.example']);
  assert.deepEqual([row.address, row.port, row.protocol], [Buffer.from([10, 0, 0, 1]), 443, 6]);
  assert.deepEqual([row.week, row.verdict, row.revision, row.rule], [WEEK, 'ALLOW', 0, '']);
  assert.doesNotMatch(row.subject.toString(), /http/);
});

test('events are told apart by the name that a rule could allow them by', async (t) => {
  const [self, cgroup, host, unbelieved] = [1, 2, 3, 4];
  const rows = await rowsOf(t, (recording) =>
    add(
      recording,
      { names: ['a.example'], known: self, age: -7, count: 2 },
      { names: ['a.example', 'b.example'], known: self, age: 60, time: START + HOUR },
      { names: ['a.example', 'b.example'], known: cgroup, age: 3 },
      { names: ['a.example'], known: host, age: 5 },
      // On a host that has several names for it, nobody knows which it was.
      { names: ['a.example', 'b.example'], known: host, age: 9 },
      { names: ['a.example'], known: unbelieved, age: 8 },
      {},
    ),
  );
  assert.deepEqual(
    rows.map(({ age, count, knownBy, name, names }) => [name, knownBy, age, count, names]).toSorted(),
    [
      ['', 'NO_NAME', 0, 3, ['a.example', 'b.example']],
      ['a.example', 'CGROUP', 3, 1, ['a.example', 'b.example']],
      ['a.example', 'HOST', 5, 1, ['a.example']],
      ['a.example', 'SELF', 60, 3, ['a.example']],
    ],
  );
});

test('denials are told apart by the policy of the fleet that was in force', async (t) => {
  const rows = await rowsOf(
    t,
    (recording) => {
      recording.boxes([{ name: 'no-mail', action: 'deny' }]);
      add(
        recording,
        { verdict: 1, time: START },
        { verdict: 2, time: START + HOUR, box: 0 },
        { verdict: 1, time: START + 2 * HOUR },
        { time: START + 2 * HOUR },
      );
    },
    [
      { since: START + HOUR, revision: 4 },
      { since: START + 2 * HOUR, revision: 5 },
    ],
  );
  assert.deepEqual(rows.map(({ revision, rule, verdict }) => [verdict, revision, rule]).toSorted(), [
    ['ALLOW', 0, ''],
    ['DENY', 0, ''],
    ['DENY', 5, ''],
    ['WOULD_DENY', 4, 'no-mail'],
  ]);
});

test('addresses of the host itself are its loopback, and sockets have no address', async (t) => {
  const rows = await rowsOf(t, (recording) =>
    add(
      recording,
      { low: 0x0a00_0005n },
      { low: 0x7f00_0001n },
      { family: 6, high: 0x2001_0db8_0000_0000n, low: 5n },
      { family: 6, high: 0n, low: 0xffff_0a00_0005n },
      { family: 0, port: 1, protocol: 1, operation: 3 },
    ),
  );
  assert.deepEqual(
    rows.map(({ address, count, socket }) => [address.toString('hex'), count, socket]).toSorted(),
    [
      ['', 1, 'raw'],
      ['00000000000000000000000000000001', 1, ''],
      ['7f000001', 3, ''],
    ],
  );
});

test('instances of one service are added up', async (t) => {
  const rows = await rowsOf(t, (recording) => {
    recording.process(processRow({ key: 2n, cgroupPath: '/a', unit: 'session-1.scope' }));
    recording.process(processRow({ key: 3n, cgroupPath: '/b', unit: 'session-2.scope' }));
    add(recording, { process: 2, names: ['x.example'] }, { process: 3, time: START + HOUR, count: 4 });
  });
  assert.deepEqual(
    rows.map(({ count, names }) => [count, names]),
    [[5, ['x.example']]],
  );
  assert.equal(hoursOf(rows[0]!).length, 2);
});

const info = (address: string, internal: boolean) => ({ address, internal }) as never;

test('the loopback device is no own address', () => {
  const own = ownAddresses({
    lo: [info('127.0.0.1', true)],
    e: [info('10.1.2.3', false), info('fe80::1%e', false)],
  });
  assert.deepEqual(
    own.map(({ family }) => family),
    [4, 6],
  );
});

const row = (subject: string, change: Partial<EvidenceRow> = {}): EvidenceRow => ({
  subject: Buffer.from(subject),
  address: Buffer.alloc(4),
  port: 1,
  protocol: 6,
  socket: '',
  verdict: 'ALLOW',
  revision: 0,
  rule: '',
  count: 1,
  first: 1,
  last: 2,
  hours: Buffer.alloc(21),
  week: 1,
  names: [],
  name: '',
  knownBy: 'NO_NAME',
  age: 0,
  ...change,
});

test('rows beyond a limit go to another batch, and none is lost', () => {
  const rows = Array.from({ length: 25 }, (_, port) => row(`s${port % 3}`, { port }));
  const batches = [...batchesOf(rows, [], { batchRows: 10, batchBytes: 1e6 }, () => 7)];
  assert.deepEqual(
    batches.map((batch) => batch.rows.length),
    [10, 10, 5],
  );
  const sent = batches.flatMap((batch) =>
    batch.rows.map(({ port, subject }) => [batch.subjects[subject]!.toString(), port]),
  );
  assert.deepEqual(
    sent,
    rows.map(({ port, subject }) => [subject.toString(), port]),
  );
  assert.equal(batches[0]!.clock, 7);
  const long = Array.from({ length: 9 }, (_, port) => row('x'.repeat(400 + port), { port }));
  const small = [...batchesOf(long, [], { batchRows: 1000, batchBytes: 1200 }, () => 7)];
  assert.deepEqual(
    small.map((batch) => batch.rows.length),
    [2, 2, 2, 2, 1],
  );
});

test('a row that no batch has room for goes alone, and windows go where there are no rows', () => {
  const window = { week: 1, recordedHours: Buffer.alloc(21), lost: 0, backend: 'lsm' };
  const tiny = { batchRows: 0, batchBytes: 0 };
  assert.equal([...batchesOf([row('a'), row('b')], [], tiny, () => 0)].length, 2);
  assert.deepEqual(
    [...batchesOf([], [window], tiny, () => 0)].map(({ windows }) => windows),
    [[window]],
  );
  assert.deepEqual([...batchesOf([], [], tiny, () => 0)], []);
});

const recordingFrom = (id: number, from: number, to: number, change = {}) =>
  ({
    id,
    backend: 'lsm',
    command: 'learn',
    state: 'complete',
    startedAt: from,
    endedAt: to,
    ...change,
  }) as never;

test('a window has the hours of any recording of its own, and what they lost', () => {
  const start = weekStart(WEEK);
  const found = windowOf(
    WEEK,
    [
      recordingFrom(1, start - HOUR, start + HOUR / 2),
      recordingFrom(2, start + 5 * HOUR, start + 6 * HOUR, { command: 'import' }),
      recordingFrom(3, start + 9 * HOUR, start + 9 * HOUR, { state: 'running', backend: 'cgroup' }),
    ],
    [
      { recording: 1, kind: 'ring', count: 3 },
      { recording: 2, kind: 'ring', count: 5 },
      { recording: 1, kind: 'answer', count: 7 },
    ] as never,
    start + 10 * HOUR + 1,
  );
  assert.deepEqual(
    [hoursOf({ hours: found!.recordedHours } as EvidenceRow), found!.lost, found!.backend],
    [[0, 9, 10], 3, 'cgroup'],
  );
  assert.equal(windowOf(WEEK, [recordingFrom(1, start - 9, start - 1)], [], start), undefined);
});

test('what is allowed takes no place of what is denied', () => {
  const table = new EvidenceTable(WEEK, HOST, { most: 2, denied: 1 });
  const subject = { command: 'x', uid: 0, gid: 0, inContainer: false };
  const add = (port: number, verdict: 'allow' | 'deny' | 'noted'): void =>
    table.add({
      subject,
      destination: { family: 4, address: 1n, port, protocol: 6 },
      verdict,
      revision: 0,
      rule: '',
      count: 1,
      first: START,
      last: START,
      hours: '1',
      names: [],
      known: undefined,
    });
  for (const port of [1, 2, 3, 1]) add(port, 'allow');
  for (const port of [1, 2]) add(port, 'deny');
  add(3, 'noted');
  assert.deepEqual(
    table.rows().map(({ port, verdict }) => [port, verdict]),
    [
      [1, 'ALLOW'],
      [2, 'ALLOW'],
      [1, 'DENY'],
    ],
  );
  assert.equal(table.left, 3);
});
