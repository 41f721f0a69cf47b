import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import type { Engine } from '../../../../fleet/engine/engine.ts';
import { openEngine } from '../../../../fleet/engine/open.ts';
import type { Batch, Row } from '../../../../fleet/wire/message.ts';
import { subjectBytes } from '../../../../fleet/wire/subject-document.ts';
import { hourOfWeek, weekOf } from '../../../../fleet/wire/week.ts';
import { batchOf, enrolled, fullWindow, HOUR, hoursOf, NOW, rowOf } from '../fixture/evidence.ts';
import { evidenceTable, expectedTable } from '../fixture/evidence-table.ts';
import { postgresMissing, sql, startPostgres, type TestServer } from '../fixture/postgres.ts';

const NAMES = ['a', 'b', 'c'];
const SUBJECTS = ['curl', 'sshd'].map((command) => subjectBytes({ command }));

/** By what name the events of a row went. */
const CALLED: readonly Pick<Row, 'name' | 'knownBy'>[] = [
  { name: '', knownBy: 'NO_NAME' },
  { name: 'one.example', knownBy: 'SELF' },
  { name: 'one.example', knownBy: 'HOST' },
  { name: 'two.example', knownBy: 'CGROUP' },
];

/** What a host saw so far at one of four moments in a row, so that later rows have more. */
const row: fc.Arbitrary<Row> = fc
  .record({
    subject: fc.nat(1),
    place: fc.nat(3),
    port: fc.constantFrom(53, 443),
    verdict: fc.constantFrom('ALLOW' as const, 'DENY' as const),
    weeksAgo: fc.nat(1),
    moment: fc.nat(3),
    late: fc.nat(2),
    called: fc.constantFrom(...CALLED),
    age: fc.integer({ min: -9, max: 9 }),
  })
  .map(({ subject, place, port, verdict, weeksAgo, moment, late, called, age }) => {
    const start = NOW * 1000 - 10 * HOUR - weeksAgo * 168 * HOUR;
    const hours = Array.from({ length: moment + 1 }, (_, at) => hourOfWeek(start) + at);
    return rowOf({
      subject,
      port,
      verdict,
      revision: verdict === 'ALLOW' ? 0 : 3,
      ...(place === 3
        ? { address: Buffer.alloc(0), socket: 'raw' }
        : { address: place === 2 ? Buffer.alloc(16, 1) : Buffer.from([192, 0, 2, place]) }),
      count: 1 + moment * 5,
      first: start + late,
      last: start + moment * HOUR + 10,
      hours: hoursOf(...hours),
      week: weekOf(start),
      names: ['one.example', 'two.example', 'three.example'].slice(0, moment),
      ...(place !== 3 && called.name !== '' && { ...called, age }),
    });
  });

function ports(from: number, count: number, change: Partial<Row> = {}): Batch {
  return batchOf(Array.from({ length: count }, (_, at) => rowOf({ port: from + at, ...change })));
}

const batches = fc.array(
  fc.record({ host: fc.nat(NAMES.length - 1), rows: fc.array(row, { maxLength: 8 }) }),
  { minLength: 1, maxLength: 8 },
);

let server: TestServer;
let engine: Engine;
let other: Engine;
let hosts: string[];

before(async () => {
  if (postgresMissing !== false) return;
  server = await startPostgres();
  engine = await openEngine([server.url], { keys: 20, deniedKeys: 5 });
  other = await openEngine([server.url], { keys: 1000 });
  hosts = (await enrolled(engine, NAMES)).map(({ id }) => id);
});

after(async () => {
  await engine?.close();
  await other?.close();
  await server?.remove();
});

const clear = () =>
  sql(
    server.url,
    'WITH a AS (DELETE FROM bouheki.evidence), b AS (DELETE FROM bouheki.host_week) DELETE FROM bouheki.subject',
  );

test(
  'has the same result in any order, with doubles, losses and what is sent again',
  { skip: postgresMissing },
  async () => {
    await fc.assert(
      fc.asyncProperty(batches, fc.infiniteStream(fc.nat(1000)), async (made, random) => {
        await clear();
        const next = () => random.next().value as number;
        const all = made.map(({ host, rows }) => ({ host, batch: batchOf(rows, { subjects: SUBJECTS }) }));
        // Each at least once; some were lost and come again, some come twice.
        const sent = all.flatMap((each) => Array.from({ length: 1 + (next() % 3) }, () => each));
        sent.sort(() => (next() % 2) - 0.5);
        while (sent.length > 0) {
          const part = sent.splice(0, 1 + (next() % 4));
          await other.merge(
            part.map(({ host, batch }) => ({ host: hosts[host]!, batch })),
            NOW,
          );
        }
        const expected = expectedTable(all.map(({ host, batch }) => ({ name: NAMES[host]!, batch })));
        assert.deepEqual(await evidenceTable(server.url), expected);
        const counted = await sql<{ wrong: number }>(
          server.url,
          `SELECT count(*)::int AS wrong FROM bouheki.host_week w WHERE keys <>
           (SELECT count(*) FROM bouheki.evidence e WHERE e.host = w.host AND e.week = w.week)`,
        );
        assert.equal(counted[0]!.wrong, 0);
      }),
      { numRuns: 40 },
    );
  },
);

test(
  'refuses rows of the future, of weeks that are not kept, that are malformed, and of hosts that are not known',
  { skip: postgresMissing },
  async () => {
    await clear();
    const wrong: Partial<Row>[] = [
      { subject: 7 },
      { subject: 1 },
      { address: Buffer.from([1, 2, 3]) },
      { socket: 'raw' },
      { port: 65_536 },
      { port: -1 },
      { protocol: 256 },
      { count: 0 },
      { count: 2 ** 53 },
      { count: 1.5 },
      { revision: 2 ** 31 },
      { first: NOW * 1000 },
      { hours: Buffer.alloc(20) },
      { week: 0 },
      { names: ['a\0b'] },
      { names: ['a.example\nreview: seen once'] },
      { names: ['a\u2028b'] },
      { names: ['\ud800'] },
      { names: ['x'.repeat(256)] },
      { name: 'a.example' },
      { knownBy: 'SELF' },
      { age: 1 },
      { name: 'a\nb', knownBy: 'SELF' },
      { name: 'a.example', knownBy: 'ANYBODY' as 'HOST' },
      { name: 'a.example', knownBy: 'HOST', age: 10 ** 9 },
      { name: 'a.example', knownBy: 'HOST', address: Buffer.alloc(0), socket: 'raw' },
      { verdict: 'MAYBE' as 'ALLOW' },
      { address: Buffer.alloc(0), socket: `'"\\{}` },
    ];
    const rows = [
      rowOf(),
      rowOf({ last: NOW * 1000 + HOUR / 10 }),
      rowOf({ last: NOW * 1000 - 9 * 168 * HOUR }),
      // A clock that is a little ahead.
      rowOf({ last: NOW * 1000 + HOUR / 15, port: 80 }),
      ...wrong.map((change) => rowOf(change)),
    ];
    const subjects = [SUBJECTS[0]!, Buffer.from('[]')];
    const [receipt, unknown] = await engine.merge(
      [
        { host: hosts[0]!, batch: batchOf(rows, { subjects }) },
        { host: '7d8f3c1e-0000-4000-8000-000000000000', batch: batchOf([rowOf()]) },
      ],
      NOW,
    );
    assert.equal(receipt!.rows, 2);
    assert.deepEqual(receipt!.refused, [
      { row: 1, reason: 'future' },
      { row: 2, reason: 'old' },
      ...wrong.map((_, at) => ({ row: 4 + at, reason: 'malformed' as const })),
    ]);
    assert.deepEqual(unknown, { rows: 0, refused: [{ row: 0, reason: 'host' }], pace: null });
  },
);

test(
  'takes so many keys of a host and week, and goes on with those that it has',
  { skip: postgresMissing },
  async () => {
    await clear();
    const host = hosts[1]!;
    assert.equal((await engine.merge([{ host, batch: ports(1, 15) }], NOW))[0]!.rows, 15);
    const [receipt] = await engine.merge([{ host, batch: ports(10, 20, { count: 9 }) }], NOW);
    assert.equal(receipt!.rows, 11);
    assert.deepEqual(
      receipt!.refused.map(({ reason }) => reason),
      Array.from({ length: 9 }, () => 'keys'),
    );
    // Another week, and another host, have room of their own.
    const before = NOW * 1000 - 168 * HOUR;
    const [old, others] = await engine.merge(
      [
        { host, batch: ports(1, 20, { first: before, last: before, week: weekOf(before) }) },
        { host: hosts[2]!, batch: ports(1, 20) },
      ],
      NOW,
    );
    assert.deepEqual([old!.rows, others!.rows], [20, 20]);
    const rows = await sql<{ count: string }>(
      server.url,
      'SELECT count FROM bouheki.evidence WHERE port = 10 AND count = 9',
    );
    assert.equal(rows.length, 1);
  },
);

test(
  'takes what was denied when what was allowed has filled the week, up to a number of its own',
  { skip: postgresMissing },
  async () => {
    await clear();
    const host = hosts[1]!;
    const refusedOf = async (from: number, count: number, change: Partial<Row> = {}) => {
      const [receipt] = await engine.merge([{ host, batch: ports(from, count, change) }], NOW);
      return receipt!.refused.length;
    };
    assert.equal(await refusedOf(1, 30), 10);
    assert.equal(await refusedOf(100, 3, { verdict: 'DENY', revision: 5 }), 0);
    const mixed = {
      ...ports(40, 4),
      rows: [...ports(40, 2).rows, ...ports(200, 4, { verdict: 'WOULD_DENY' }).rows],
    };
    const [both] = await engine.merge([{ host, batch: mixed }], NOW);
    assert.deepEqual(
      both!.refused.map(({ row }) => row),
      [0, 1, 4, 5],
    );
    // What is known goes on.
    assert.equal(await refusedOf(1, 20, { count: 99 }), 0);
    assert.equal(await refusedOf(100, 3, { verdict: 'DENY', revision: 5, count: 99 }), 0);
  },
);

test(
  'of many hubs at once, with the same hosts and subjects, waits for no circle',
  { skip: postgresMissing },
  async () => {
    await clear();
    const made: Batch = batchOf(
      Array.from({ length: 200 }, (_, at) =>
        rowOf({ port: at, subject: at % 2, names: [`${at % 7}.example`] }),
      ),
      { subjects: SUBJECTS, windows: [fullWindow()] },
    );
    const backwards = { ...made, rows: made.rows.toReversed() };
    await Promise.all(
      Array.from({ length: 24 }, (_, at) =>
        other.merge(
          (at % 2 === 0 ? hosts : hosts.toReversed()).map((host) => ({
            host,
            batch: at % 3 === 0 ? made : backwards,
          })),
          NOW,
        ),
      ),
    );
    assert.equal((await evidenceTable(server.url)).length, 600);
  },
);
