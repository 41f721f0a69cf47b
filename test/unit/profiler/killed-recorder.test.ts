import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openReader } from '../../../profiler/read.ts';
import { openRecorder } from '../../../profiler/store.ts';
import { databaseFor, START } from './fixture.ts';

async function startChild(path: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'recorder-child.js'), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout!, 'data');
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

test('while one process records, other recorders are refused with its pid', async (t) => {
  const path = databaseFor(t);
  const child = await startChild(path);
  try {
    const message = `${path} is being recorded by process ${child.pid}`;
    await assert.rejects(openRecorder(path), { code: 'store-busy', message });
  } finally {
    await kill(child);
  }
});

test('a recorder in the same process is refused too', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  await assert.rejects(openRecorder(path), { code: 'store-busy' });
  assert.ok(existsSync(`${path}.lock`), 'the refusal leaves the lock of the first alone');
  store.close();
  (await openRecorder(path)).close();
});

test('a reader of another process is named when it is in the way', async (t) => {
  const path = databaseFor(t);
  (await openRecorder(path)).close();
  const script = `const { openReader } = await import(process.argv[1]);
    globalThis.reader = await openReader(process.argv[2]);
    console.log('reading'); setInterval(() => {}, 60000);`;
  const read = new URL('../../../profiler/read.js', import.meta.url).href;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, read, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  try {
    await assert.rejects(openRecorder(path), {
      code: 'store-busy',
      message: `${path} is being used by process ${child.pid}`,
    });
  } finally {
    await kill(child);
  }
});

test('after SIGKILL every flushed row is there and the recording is marked as interrupted', async (t) => {
  const path = databaseFor(t);
  await kill(await startChild(path));

  const reader = await openReader(path);
  const [seen] = await reader.recordings();
  const observations = await reader.observations();
  reader.close();
  assert.deepEqual([seen!.state, seen!.endedAt, seen!.events], ['interrupted', START + 99, 100]);
  assert.equal(observations[0]!.subject.exe, '/usr/bin/curl');
  assert.equal(observations[0]!.count, 100);

  const store = await openRecorder(path);
  assert.deepEqual(
    store.interrupted.map(({ id }) => id),
    [1],
  );
  const { endedAt, startedAt } = store.interrupted[0]!;
  assert.ok(endedAt >= START + 99 && endedAt >= startedAt && endedAt <= Date.now() * 1000, `${endedAt}`);
  store.close();
  const again = await openRecorder(path);
  assert.deepEqual(again.interrupted, [], 'reported once');
  again.close();
});

test('killed at any moment, the database opens and has everything that was flushed', async (t) => {
  const path = databaseFor(t);
  let before = 0;
  for (let round = 1; round <= 8; round++) {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'steady-recorder-child.js'), path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (text) => (said += String(text)));
    await once(child.stdout, 'data');
    await sleep(Math.random() * 200);
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
    const safe = Number(said.trimEnd().split('\n').at(-1));
    const reader = await openReader(path);
    const recordings = await reader.recordings();
    const total = recordings.reduce((sum, { events }) => sum + events, 0);
    reader.close();
    assert.deepEqual([recordings.length, recordings.at(-1)!.state], [round, 'interrupted']);
    assert.ok(total - before >= safe && (total - before) % 3500 === 0, `${total - before} of ${safe}`);
    before = total;
  }
});

test('a lock left by a process that is gone, or by another with the same pid, is no obstacle', async (t) => {
  const path = databaseFor(t);
  mkdirSync(dirname(path), { recursive: true });
  for (const left of ['4194305 1\n', `${process.pid} 1\n`, '']) {
    writeFileSync(`${path}.lock`, left);
    (await openRecorder(path)).close();
    assert.ok(!existsSync(`${path}.lock`));
  }
});
