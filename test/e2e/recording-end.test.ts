/** However a recording ends, what was recorded is there, and the next one starts. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pythonTo } from './attempt.ts';
import { bouheki, query, Running } from './bouheki.ts';
import { folder, loadedPrograms, programsLeft, startNetwork, stopNetwork, succeeded } from './guest.ts';

const db = join(folder(), 'record.duckdb');
let learn: Running;

before(async () => {
  startNetwork();
  learn = await Running.start('learn', '--db', db);
});

after(stopNetwork);

const ADDRESSES = 'SELECT address, recording FROM connections';

test('what only a policy that blocks needs is not loaded', () => {
  const programs = loadedPrograms();
  assert.ok(programs.includes('socket_connect'), programs.join(' '));
  assert.ok(!programs.includes('socket_pages'), programs.join(' '));
});

test('a second recorder is refused with the pid of the first', () => {
  const { status, stdout, stderr } = bouheki('learn', '--db', db);
  const [sentence, remedy] = stderr.split('\n');
  assert.equal(sentence, `bouheki: ${db} is being recorded by process ${learn.pid}`);
  assert.match(
    remedy!,
    /^ {2}Wait for that process to end or stop it with SIGTERM, or name another database/,
  );
  assert.equal(status, 2);
  assert.equal(stdout, '');
});

test('a reader is answered while the recording goes on', async () => {
  assert.equal(pythonTo('tcp', '10.0.1.1', 80), 'reached');
  const rows = await learn.recorded(db, ADDRESSES);
  assert.deepEqual(rows, [{ address: '10.0.1.1', recording: 1 }]);
  const { stdout } = succeeded(bouheki('query', '--json', '--db', db, ADDRESSES));
  assert.deepEqual(JSON.parse(stdout), rows[0], 'one object a line');
});

test('SIGKILL loses at most the last second, and leaves nothing in the kernel', async () => {
  assert.equal((await learn.end('SIGKILL')).status, null);
  assert.deepEqual(programsLeft(), []);
  assert.deepEqual(await query(db, ADDRESSES), [{ address: '10.0.1.1', recording: 1 }]);
});

test('the start after it says so, and --duration ends it', async () => {
  learn = await Running.start('learn', '--duration', '2s', '--db', db);
  const { status, stdout, stderr } = await learn.end();
  assert.equal(status, 0);
  assert.equal(stdout, '');
  assert.match(stderr, /^Recording 1 was interrupted at .*; what it had committed is kept\. /m);
  assert.match(stderr, /^Recorded 0 connections of 0 processes, 0 lost\.$/m);
});

test('SIGTERM keeps everything, up to the last connection', async () => {
  learn = await Running.start('learn', '--db', db);
  assert.doesNotMatch(learn.stderr, /interrupted/);
  assert.equal(pythonTo('tcp', '10.0.1.2', 80), 'reached');
  const { status, stderr } = await learn.end('SIGTERM');
  assert.equal(status, 0, stderr);
  assert.match(stderr, /^Recorded 1 connections of 1 processes, 0 lost\.$/m);
  assert.deepEqual(programsLeft(), []);
  const recordings = await query(
    db,
    `SELECT id, command, state, events::INTEGER AS events, (SELECT list(address) FROM connections WHERE recording = id) AS addresses
     FROM recording ORDER BY id`,
  );
  assert.deepEqual(recordings, [
    { id: 1, command: 'learn', state: 'interrupted', events: 1, addresses: ['10.0.1.1'] },
    { id: 2, command: 'learn', state: 'complete', events: 0, addresses: null },
    { id: 3, command: 'learn', state: 'complete', events: 1, addresses: ['10.0.1.2'] },
  ]);
});
