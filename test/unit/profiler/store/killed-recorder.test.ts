import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { requireRecordable } from '../../../../profiler/database/lock.ts';
import { openReader } from '../../../../profiler/read/read.ts';
import { openRecorder } from '../../../../profiler/store/store.ts';
import { databaseFor, START } from '../fixture.ts';

async function startChild(path: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../recorder-child.js'), path], {
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
    assert.throws(() => requireRecordable(path), { code: 'store-busy', message });
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
  const read = new URL('../../../../profiler/read/read.js', import.meta.url).href;
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
    store.past.interrupted.map(({ id }) => id),
    [1],
  );
  const { endedAt, startedAt } = store.past.interrupted[0]!;
  assert.ok(endedAt >= START + 99 && endedAt >= startedAt && endedAt <= Date.now() * 1000, `${endedAt}`);
  store.close();
  const again = await openRecorder(path);
  assert.deepEqual(again.past.interrupted, [], 'reported once');
  again.close();
});

/** As in daemon/session.ts: with a look at the rings before it and the commit after it, less than a second. */
const FLUSH_EVERY = 900;
const BATCH = 500;

/** What a steady recorder said: the time, the number of rows then, and the time of its last commit. */
type Said = readonly (readonly [at: number, rows: number, committed: number])[];

/**
 * Lets a recorder run for up to two seconds, or until rows are due at the least, and kills it. Returns what it had said,
 * and when it was killed.
 */
async function killedSteadyRecorder(path: string, due: boolean): Promise<{ said: Said; killed: number }> {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, '../steady-recorder-child.js'), path, String(FLUSH_EVERY)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let text = '';
  child.stdout.on('data', (part) => (text += String(part)));
  await once(child.stdout, 'data');
  await sleep(1200 + Math.random() * 800);
  if (due) while (rowsDue(saidIn(text), Date.now()) === 0) await sleep(20);
  const closed = once(child, 'close');
  const killed = Date.now();
  child.kill('SIGKILL');
  await closed;
  return { said: saidIn(text), killed };
}

function saidIn(text: string): Said {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split(' ').map(Number) as [number, number, number]);
}

/** Rows that were a second old, less what a busy machine kept the threads of the recorder from running. */
function rowsDue(said: Said, killed: number): number {
  const late = Math.max(...said.map(([at], index) => at - (said[index - 1]?.[0] ?? at)));
  const behind = Math.max(...said.map(([at, , committed]) => at - committed - FLUSH_EVERY), 0);
  return said.findLast(([at]) => at < killed - 1000 - 2 * late - behind)?.[1] ?? 0;
}

test('killed at twenty moments, the database opens, has all that was a second old, and tells of the gap', async (t) => {
  let telling = 0;
  const killRepeatedly = async (path: string): Promise<void> => {
    const killings: { said: Said; killed: number }[] = [];
    for (let round = 1; round <= 4; round += 1) killings.push(await killedSteadyRecorder(path, round === 1));
    const reader = await openReader(path);
    const recordings = await reader.recordings();
    reader.close();
    assert.equal(recordings.length, killings.length);
    for (const [index, { said, killed }] of killings.entries()) {
      const { events, state, endedAt, gap } = recordings[index]!;
      const due = rowsDue(said, killed);
      assert.ok(events >= due && events % BATCH === 0, `${events} of ${due}`);
      assert.equal(state, 'interrupted');
      if (due > 0) telling += 1;
      if (index === killings.length - 1) continue;
      const next = recordings[index + 1]!.startedAt;
      assert.equal(gap, next - endedAt);
      assert.ok(gap >= next - killed * 1000, 'the gap begins no later than the end');
    }
  };
  await Promise.all(Array.from({ length: 5 }, () => killRepeatedly(databaseFor(t))));
  t.diagnostic(`${telling} of 20 killings came after the first second`);
  assert.ok(telling > 0);
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
