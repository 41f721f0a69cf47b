import { DuckDBInstance } from '@duckdb/node-api';
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import test from 'node:test';
import { openReader } from '../../../../profiler/read/read.ts';
import { MIGRATIONS } from '../../../../profiler/database/schema-sql.ts';
import { openRecorder } from '../../../../profiler/store/store.ts';
import { databaseFor, START } from '../fixture.ts';

/** From this version on rows name a credential instead of two ids. */
const WITH_CREDENTIALS = 6;
/** From this version on rows say by which names an address was known. */
const WITH_NAMES = 9;
/** The last version in which the mode of a recording said what its denials were. */
const BEFORE_NOTED = 9;

test('a database of every older version is brought up to date with what it holds', async (t) => {
  for (let version = 1; version < MIGRATIONS.length; version++) {
    const path = databaseFor(t);
    mkdirSync(dirname(path), { recursive: true });
    const instance = await DuckDBInstance.create(path);
    const connection = await instance.connect();
    await connection.run('CREATE TABLE schema_version (version INTEGER NOT NULL)');
    await connection.run(`INSERT INTO schema_version VALUES (${version})`);
    for (const statement of MIGRATIONS.slice(0, version).flat()) await connection.run(statement);
    await connection.run('CREATE MACRO protocol_text(protocol) AS protocol::VARCHAR');
    await connection.run('CREATE VIEW connections AS SELECT process, protocol_text(protocol) FROM event');
    const names = version < WITH_NAMES ? '' : ', 0, 0, 0';
    const [by, root] = version < WITH_CREDENTIALS ? ['33, 34', '0, 0'] : ['1', '2'];
    if (version >= WITH_CREDENTIALS)
      await connection.run(
        'INSERT INTO credential VALUES (1, 1, 33, 33, 33, 34, 34, 34), (1, 2, 0, 0, 0, 0, 0, 0)',
      );
    await connection.run(
      `INSERT INTO event VALUES (1, ${START}, 0, 0, ${by}, 4, 0, 167772161, 443, 6, 0, 0, -1${names})`,
    );
    if (version > 1) {
      await connection.run(
        `INSERT INTO hourly VALUES
          (1, 0, 0, ${root}, 4, 0, 167772161, 80, 6, 0, 0, -1, 5, ${START}, ${START + 9}${names}),
          (1, 0, 0, ${by}, 4, 0, 167772161, 443, 6, 0, 0, -1, 7, ${START}, ${START + 9}${names})`,
      );
    }
    await connection.run(
      `INSERT INTO recording (id, host, kernel, backend, command, target, started_at, state)
      VALUES (1, 'web1', '6.1', 'lsm', 'learn', 'host', ${START}, 'open')`,
    );
    await connection.run(`INSERT INTO process (recording, id, exe) VALUES (1, 0, '/usr/bin/curl')`);
    connection.closeSync();
    instance.closeSync();

    await assert.rejects(openReader(path), { code: 'store', message: /older version of bouheki/ });
    const store = await openRecorder(path);
    assert.equal(store.past.interrupted.length, 1);
    await store.stopServing();
    store.close();
    const reader = await openReader(path);
    const seen = (await reader.observations()).map(({ count, port, subject: { euid, gid, uid } }) => [
      [uid, euid, gid],
      port,
      count,
    ]);
    const folded = version > 1;
    const byRoot = [[0, undefined, 0], 80, 5];
    assert.deepEqual(seen, [...(folded ? [byRoot] : []), [[33, undefined, 34], 443, folded ? 8 : 1]]);
    const shown =
      'SELECT address, protocol, exe, ancestors, uid, euid, fsuid, gid, egid, fsgid, name, names, name_known, age, count FROM connections ORDER BY count';
    assert.deepEqual((await reader.query(shown)).rows[0], [
      '10.0.0.1',
      'tcp',
      '/usr/bin/curl',
      null,
      33,
      33,
      33,
      34,
      34,
      34,
      null,
      null,
      null,
      null,
      '1',
    ]);
    reader.close();
  }
});

test('what a monitoring policy denied in a record of before was noted, and what a blocking one denied was not', async (t) => {
  const path = databaseFor(t);
  mkdirSync(dirname(path), { recursive: true });
  const instance = await DuckDBInstance.create(path);
  const connection = await instance.connect();
  await connection.run('CREATE TABLE schema_version (version INTEGER NOT NULL)');
  await connection.run(`INSERT INTO schema_version VALUES (${BEFORE_NOTED})`);
  for (const statement of MIGRATIONS.slice(0, BEFORE_NOTED).flat()) await connection.run(statement);
  for (const [id, mode] of [
    [1, 'monitor'],
    [2, 'block'],
  ] as const) {
    await connection.run(
      `INSERT INTO recording (id, host, kernel, backend, command, mode, target, started_at, state)
      VALUES (${id}, 'web1', '6.1', 'lsm', 'enforce', '${mode}', 'host', ${START}, 'complete')`,
    );
    await connection.run(`INSERT INTO credential VALUES (${id}, 1, 33, 33, 33, 34, 34, 34)`);
    const key = `0, 0, 1, 4, 0, 167772161, ${id}, 6, 0`;
    await connection.run(
      `INSERT INTO event VALUES (${id}, ${START}, ${key}, 0, -1, 0, 0, 0), (${id}, ${START}, ${key}, 1, -1, 0, 0, 0)`,
    );
    await connection.run(
      `INSERT INTO hourly VALUES (${id}, ${key}, 1, -1, 5, ${START}, ${START + 9}, 0, 0, 0)`,
    );
  }
  connection.closeSync();
  instance.closeSync();
  const store = await openRecorder(path);
  await store.stopServing();
  store.close();
  const reader = await openReader(path);
  assert.deepEqual(
    (await reader.observations()).map(({ port, verdict, monitored, count }) => [
      port,
      verdict,
      monitored,
      count,
    ]),
    [
      [1, 'allow', false, 1],
      [1, 'deny', true, 6],
      [2, 'allow', false, 1],
      [2, 'deny', false, 6],
    ],
  );
  const shown = 'SELECT verdict, noted, sum(count) FROM connections GROUP BY ALL ORDER BY ALL';
  assert.deepEqual((await reader.query(shown)).rows, [
    ['allow', false, '2'],
    ['deny', false, '6'],
    ['deny', true, '6'],
  ]);
  reader.close();
});

test('folded hours and single events read as one', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  await store.stopServing();
  store.close();
  const instance = await DuckDBInstance.create(path);
  const connection = await instance.connect();
  for (const [table, middle, end, behind] of [
    ['event', `${START + 5}, `, '', ', 1, 0'],
    ['hourly', '', `, 41, ${START}, ${START + 9}`, ''],
  ] as const) {
    await connection.run(
      `INSERT INTO ${table} VALUES (1, ${middle}0, 0, 1, 4, 0, 167772161, 443, 6, 0, 0, -1${end}, 0, 0, 0${behind})`,
    );
  }
  await connection.run('INSERT INTO credential VALUES (1, 1, 0, 0, 0, 0, 0, 0)');
  connection.closeSync();
  instance.closeSync();
  const reader = await openReader(path);
  const [seen, ...others] = await reader.observations();
  assert.equal(others.length, 0);
  assert.deepEqual([seen!.count, seen!.first, seen!.last, seen!.hours], [42, START, START + 9, 1]);
  assert.equal((await reader.observations({ since: START + 9 }))[0]!.count, 41);
  assert.equal((await reader.observations({ since: START + 10 })).length, 0);
  reader.close();
});
