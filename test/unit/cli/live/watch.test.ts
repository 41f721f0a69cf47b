import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { endAtEnd } from '../../at-end.ts';
import { databaseFor } from '../../profiler/fixture.ts';

const MAIN = join(import.meta.dirname, '../../../../bundle/main.js');

function start(t: TestContext, args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  endAtEnd(t, child);
  return child;
}

async function busyRecorder(t: TestContext): Promise<{ path: string; recorder: ChildProcess }> {
  const path = databaseFor(t);
  const recorder = start(t, [join(import.meta.dirname, 'busy-recorder-child.js'), path]);
  recorder.stderr!.pipe(process.stderr);
  await once(recorder.stdout!, 'data');
  return { path, recorder };
}

/** Waits until a watcher has read the record. */
async function watching(child: ChildProcess): Promise<void> {
  for await (const bytes of child.stderr!) if (/^Watching /m.test(String(bytes))) return;
}

test('at 10,000 a second watch shows each connection or counts it, and ends with the recorder', async (t) => {
  const { path, recorder } = await busyRecorder(t);
  const child = start(t, [MAIN, 'watch', '--db', path, '--json']);
  const output = text(child.stdout!);
  await once(child.stderr!, 'data');
  const began = await recorded(path);
  await sleep(3000);
  recorder.kill('SIGTERM');
  const [made] = (await once(recorder.stdout!, 'data')) as [Buffer];
  const [status] = await once(child, 'exit');
  assert.equal(status, 0);
  const lines = (await output).trimEnd().split('\n');
  let all = 0;
  for (const line of lines) {
    const { count, lines: unwritten } = JSON.parse(line) as { count?: number; lines?: number };
    all += count ?? unwritten!;
  }
  const total = Number(made);
  // It began to follow before it said so.
  assert.ok(
    all >= total - began && all <= total,
    `${all} of ${total}, of which ${began} may have been before`,
  );
  assert.ok(all > 10_000, `${all}`);
});

async function recorded(path: string): Promise<number> {
  const { openLive } = await import('../../../../profiler/read/read.ts');
  return (await openLive(path))!.events;
}

test('its end by a signal or by its reader leaves the recorder alone, and is no trouble', async (t) => {
  const { path, recorder } = await busyRecorder(t);
  const first = start(t, [MAIN, 'watch', '--db', path]);
  await watching(first);
  first.kill('SIGTERM');
  assert.deepEqual(await once(first, 'exit'), [0, null]);
  const second = start(t, [MAIN, 'watch', '--db', path]);
  await once(second.stdout!, 'data');
  second.stdout!.destroy();
  second.stderr!.resume();
  assert.deepEqual(await once(second, 'exit'), [0, null]);
  assert.equal(recorder.exitCode, null);
});

test('where no recorder runs it says so', (t) => {
  const { status, stderr } = spawnSync(process.execPath, [MAIN, 'watch', '--db', databaseFor(t)], {
    encoding: 'utf8',
  });
  assert.equal(status, 2);
  assert.match(stderr, /there is no|no recorder runs/);
});
