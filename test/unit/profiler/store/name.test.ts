import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import test, { type TestContext } from 'node:test';
import { Known } from '../../../../profiler/event/columns.ts';
import type { AnswerRow } from '../../../../profiler/event/dimension.ts';
import { openReader } from '../../../../profiler/read/read.ts';
import type { Recording } from '../../../../profiler/record/recording.ts';
import { openRecorder, type RecordStore } from '../../../../profiler/store/store.ts';
import { batchOf, databaseFor, HOUR, LEARN, processRow, START, startRecording } from '../fixture.ts';

const { cgroup, host, self } = Known;

async function begun(t: TestContext): Promise<{ path: string; store: RecordStore; recording: Recording }> {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const recording = await startRecording(store, LEARN);
  recording.command('curl');
  recording.process(processRow());
  return { path, store, recording };
}

async function closed(store: RecordStore): Promise<void> {
  await store.stopServing();
  store.close();
}

async function asked(path: string, sql: string): Promise<unknown[][]> {
  const reader = await openReader(path);
  try {
    return (await reader.query(sql)).rows;
  } finally {
    reader.close();
  }
}

const answer = (change: Partial<AnswerRow> = {}): AnswerRow => ({
  process: 1,
  resolver: { family: 4, value: 0x7f000035n },
  question: 'api.example',
  chain: ['edge.cdn.example'],
  family: 4,
  address: 0x0a000001n,
  ttl: 30,
  time: START,
  counts: true,
  ...change,
});

test('a connection has the names that its address was known by, the best first', async (t) => {
  const { path, store, recording } = await begun(t);
  const events = [
    { names: ['API.Example.', 'www.example'], known: self, age: -20 },
    { port: 444, names: ['www.example'], known: cgroup, age: 7 },
    { port: 445, names: ['a b,c\u{9b}\u00e9.example'], known: host, age: 0 },
    { port: 446 },
  ];
  recording.append(batchOf(events, recording));
  await recording.end('complete');
  await closed(store);
  assert.deepEqual(await asked(path, 'SELECT name, names, name_known, age FROM connections ORDER BY port'), [
    ['api.example', 'api.example www.example', 'self', -20],
    ['www.example', 'www.example', 'cgroup', 7],
    [...Array.from({ length: 2 }, () => 'a\\032b,c\\194\\155\\195\\169.example'), 'host', 0],
    [null, null, null, null],
  ]);
});

test('equal lists of names share a row, and a flood of names makes row ids void rather than memory grow', async (t) => {
  const { path, store, recording } = await begun(t);
  const first = recording.nameSet(['a.example', 'b.example']);
  assert.equal(recording.nameSet(['A.example.', 'b.example', 'a.example']), first);
  assert.notEqual(recording.nameSet(['b.example', 'a.example']), first);
  assert.deepEqual([recording.nameSet([]), recording.nameSet(['', '.'])], [0, 0]);
  const epoch = recording.nameEpoch;
  for (let index = 0; recording.nameEpoch === epoch; index += 1) {
    assert.ok(index < 100_000);
    recording.nameSet([`n${index}.example`]);
    if (index % 10_000 === 0) recording.flush();
  }
  assert.notEqual(recording.nameSet(['a.example', 'b.example']), first);
  await recording.end('complete');
  await closed(store);
  const same = `SELECT count(*)::INTEGER FROM name_set_now WHERE names = 'a.example b.example'`;
  assert.deepEqual(await asked(path, same), [[2]]);
});

test('folded hours keep names apart and the greatest age; names that nothing has any more go', async (t) => {
  const { path, store, recording } = await begun(t);
  const keeper = await store.retention({ seconds: 3600 });
  const named = { names: ['a.example', 'b.example'], known: self };
  const events = [
    { ...named, age: -5 },
    { ...named, age: 9 },
    { ...named, known: host, age: 1 },
    { names: ['b.example'], known: self, age: 3 },
    {},
  ];
  recording.append(batchOf(events, recording));
  recording.nameSet(['unused.example', 'a.example']);
  recording.answer(answer());
  recording.flush();
  await keeper.look(START + 3 * HOUR);
  const hours = 'SELECT names, name_known, age, count FROM connections ORDER BY ALL';
  const expected = [
    ['a.example b.example', 'host', 1, '1'],
    ['a.example b.example', 'self', 9, '2'],
    ['b.example', 'self', 3, '1'],
    [null, null, null, '1'],
  ];
  assert.deepEqual(await asked(path, hours), expected);
  const texts = 'SELECT text FROM name ORDER BY text';
  const all = [['a.example'], ['b.example'], ['unused.example']];
  assert.deepEqual(await asked(path, texts), all, 'they may be named again');
  assert.deepEqual(await asked(path, 'FROM answer'), [], 'answers are kept as long as single events');
  await recording.end('complete');
  await keeper.look(START + 3 * HOUR);
  recording.abandon();
  const again = await startRecording(store, LEARN);
  again.append(batchOf([{ time: START + 4 * HOUR }], again));
  again.flush();
  await keeper.look(START + 100 * HOUR);
  assert.deepEqual(await asked(path, texts), all.slice(0, 2));
  assert.deepEqual((await asked(path, hours)).slice(0, 3), expected.slice(0, 3));
  await again.end('complete');
  await keeper.close();
  await closed(store);
});

test('void names of an open recording go, also while it goes on', async (t) => {
  const { path, store, recording } = await begun(t);
  const keeper = await store.retention({ seconds: 3600 });
  recording.append(batchOf([{ names: ['kept.example'], known: self }], recording));
  const epoch = recording.nameEpoch;
  for (let index = 0; recording.nameEpoch === epoch; index += 1) recording.nameSet([`n${index}.example`]);
  const late = recording.nameSet(['late.example']);
  for (let flush = 0; flush < 3; flush += 1) recording.flush();
  await keeper.look(START + 3 * HOUR);
  const left = 'SELECT text FROM name ORDER BY id';
  assert.deepEqual((await asked(path, left)).slice(0, 1), [['kept.example']]);
  assert.ok((await asked(path, left)).length <= 3, 'the first, and those since');
  assert.ok((await asked(path, `FROM name_set WHERE id = ${late}`)).length === 1);
  await recording.end('complete');
  await keeper.close();
  await closed(store);
});

test('equal answers of an hour share a row that is written at once, and then every ten minutes', async (t) => {
  const { path, store, recording } = await begun(t);
  const minute = 60_000_000;
  recording.answer(answer());
  recording.answer(answer({ family: 0, address: 0n, chain: [], question: 'No.Example.', ttl: 0 }));
  recording.answer(answer({ resolver: { family: 6, value: 1n }, family: 6, address: 1n << 64n }));
  recording.flush();
  for (let after = 1; after < 59; after += 1) {
    recording.answer(answer({ ttl: after, time: START + after * minute }));
    recording.flush();
  }
  recording.answer(answer({ time: START + 60 * minute }));
  await recording.end('complete');
  await closed(store);
  const sums = `SELECT process, resolver, question, chain, family, address, min(ttl_min), max(ttl_max), sum(count)::INTEGER,
    min(first) - ${START}, (max(last) - ${START}) // ${minute}, count(*) <= 8 FROM answer
    GROUP BY ALL ORDER BY family`;
  assert.deepEqual(await asked(path, sums), [
    [1, '127.0.0.53', 'no.example', [], 0, null, 0, 0, 1, '0', '0', true],
    [1, '127.0.0.53', 'api.example', ['edge.cdn.example'], 4, '10.0.0.1', 1, 58, 60, '0', '60', true],
    [1, '::1', 'api.example', ['edge.cdn.example'], 6, '0:0:0:1::', 30, 30, 1, '0', '0', true],
  ]);
});

test('a flood of different answers adds a bounded number of rows, and counts all', async (t) => {
  const { path, store, recording } = await begun(t);
  const flood = (process: number, count: number): void => {
    for (let index = 0; index < count; index += 1) {
      recording.answer(answer({ process, question: `n${index}.example`, time: START + index }));
      if (index % 1000 === 0) recording.flush();
    }
  };
  flood(1, 20_000);
  flood(2, 10);
  for (let process = 3; process < 10; process += 1) flood(process, 2000);
  await recording.end('complete');
  await closed(store);
  const [[rows, others, counted, second]] = (await asked(
    path,
    `SELECT count(*)::INTEGER, count(*) FILTER (WHERE question IS NULL)::INTEGER, sum(count)::INTEGER,
      count(*) FILTER (WHERE process = 2)::INTEGER FROM answer`,
  )) as [[number, number, number, number]];
  assert.equal(counted, 34_010);
  assert.equal(second, 10, 'another process has what it needs');
  assert.ok(rows <= 4096 + 2 && others <= 2, `${rows} rows, ${others} for the others`);
});

test('what counted on this host is known to the next recorder, for a week', async (t) => {
  const path = databaseFor(t);
  const now = Date.now() * 1000;
  const told: [host: string, Partial<AnswerRow>][] = [
    [hostname(), { time: now - 2 * HOUR, ttl: 60 }],
    [hostname(), { time: now - HOUR }],
    [hostname(), { question: 'ipv6.example', family: 6, address: 1n << 64n, time: now - 2 * HOUR }],
    [hostname(), { question: 'old.example', time: now - 8 * 24 * HOUR }],
    [hostname(), { question: 'elsewhere.example', time: now, counts: false }],
    [hostname(), { question: 'none.example', family: 0, address: 0n, time: now }],
    ['other', { question: 'other.example', time: now }],
  ];
  for (const [host, change] of told) {
    const store = await openRecorder(path);
    const recording = await startRecording(store, { ...LEARN, host });
    recording.answer(answer(change));
    await recording.end('complete');
    await closed(store);
  }
  const store = await openRecorder(path);
  const resolver = '127.0.0.53';
  assert.deepEqual(await store.recentAnswers(), [
    { resolver, address: '10.0.0.1', name: 'api.example', end: now - HOUR + 30e6 },
    { resolver, address: '0:0:0:1::', name: 'ipv6.example', end: now - 2 * HOUR + 30e6 },
  ]);
  await closed(store);
});
