/** What is no database of ours, or cannot be one, is refused in words. */
import { DuckDBInstance } from '@duckdb/node-api';
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { openReader } from '../../../../profiler/read/read.ts';
import { openRecorder } from '../../../../profiler/store/store.ts';
import { databaseFor, mountReason } from '../fixture.ts';

test('a file that is no database is refused in words, and left as it is', async (t) => {
  const path = databaseFor(t);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, 'this is not a database, but long enough to look like one\n'.repeat(1000));
  await assert.rejects(openRecorder(path), { code: 'store', message: /is not a database, or it is damaged/ });
  await assert.rejects(openReader(path), { code: 'store', message: /is not a database, or it is damaged/ });
  assert.ok(!existsSync(`${path}.lock`));
});

test('a DuckDB database of another program is not read as ours', async (t) => {
  const path = databaseFor(t);
  mkdirSync(dirname(path), { recursive: true });
  const instance = await DuckDBInstance.create(path);
  instance.closeSync();
  await assert.rejects(openReader(path), { code: 'store', message: /not one of bouheki/ });
});

test('a database of a newer version is refused', async (t) => {
  const path = databaseFor(t);
  (await openRecorder(path)).close();
  const instance = await DuckDBInstance.create(path);
  const connection = await instance.connect();
  await connection.run('UPDATE schema_version SET version = 999');
  connection.closeSync();
  instance.closeSync();
  await assert.rejects(openRecorder(path), {
    code: 'store',
    message: /newer version of bouheki \(schema 999\)/,
  });
  await assert.rejects(openReader(path), { code: 'store', message: /newer version of bouheki/ });
});

test('a directory and a path below a file are refused in words', async (t) => {
  const path = databaseFor(t);
  mkdirSync(path, { recursive: true });
  await assert.rejects(openRecorder(path), { code: 'store', message: /is a directory/ });
  writeFileSync(join(path, 'file'), '');
  await assert.rejects(openRecorder(join(path, 'file', 'db')), { code: 'store', message: /not a directory/ });
});

test('reading a database that does not exist says where it looked', async (t) => {
  const path = databaseFor(t);
  await assert.rejects(openReader(path), { code: 'no-data', message: `there is no database at ${path}` });
  assert.ok(!existsSync(path));
});

test('a read-only file system is named', { skip: mountReason() }, async (t) => {
  const path = databaseFor(t, 'ro');
  await assert.rejects(openRecorder(path), { code: 'store', message: /read-only file system/ });
});
