/** A query is answered by a process of its own, whose end is no more than the end of the query. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openRecorder } from '../../../profiler/store/store.ts';
import { atEnd } from '../at-end.ts';
import { batchOf, databaseFor, LEARN, startRecording } from '../profiler/fixture.ts';

const MAIN = join(import.meta.dirname, '../../../bundle/main.js');
const ENDLESS = 'SELECT count(*) FROM range(1000000000) a, range(1000000) b';

async function record(t: TestContext) {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const recording = await startRecording(store, LEARN);
  recording.append(batchOf([{}, { port: 80 }], recording));
  recording.flush();
  atEnd(t, async () => {
    await store.stopServing();
    store.close();
  });
  return { path, recording };
}

function ask(path: string, ...words: string[]) {
  const child = spawn(process.execPath, [MAIN, 'query', '--db', path, ...words]);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (part) => (stdout += String(part)));
  child.stderr.on('data', (part) => (stderr += String(part)));
  const ended = once(child, 'close').then(([status]) => ({
    status: status as number | null,
    stdout,
    stderr,
  }));
  return { child, ended };
}

/** The process that has a file of the copy open: the one that answers. */
async function answering(parent: number): Promise<number> {
  for (;;) {
    for (const pid of children(parent)) {
      const open = readdirSync(`/proc/${pid}/fd`).map((fd) => link(`/proc/${pid}/fd/${fd}`));
      if (open.some((file) => file.includes('.read.'))) return pid;
    }
    await sleep(10);
  }
}

function children(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

test('an answer comes as a table and as JSON, also while the record is being written', async (t) => {
  const { path } = await record(t);
  const sql = 'SELECT port, NULL AS nothing FROM event ORDER BY ALL';
  const [table, json] = await Promise.all([ask(path, sql).ended, ask(path, '--json', sql).ended]);
  assert.deepEqual(table, { status: 0, stdout: 'port  nothing\n  80  -\n 443  -\n', stderr: '' });
  assert.deepEqual(json, {
    status: 0,
    stdout: '{"port":80,"nothing":null}\n{"port":443,"nothing":null}\n',
    stderr: '',
  });
});

test('what takes too much memory is refused, and the recorder takes none for it', async (t) => {
  const { path } = await record(t);
  const { status, stdout, stderr } = await ask(path, "SELECT repeat('x', 2000000000)").ended;
  assert.deepEqual([status, stdout], [2, '']);
  assert.match(stderr, /^bouheki: this takes more memory than may be used/);
});

test('a process that is killed while it answers is told as that, and leaves nothing behind', async (t) => {
  const { path, recording } = await record(t);
  const { child, ended } = ask(path, ENDLESS);
  const pid = await answering(child.pid!);
  assert.equal(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'), '1000\n');
  assert.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /^Max data size +2000000000 /m);
  process.kill(pid, 'SIGKILL');
  const { status, stderr } = await ended;
  assert.equal(status, 2);
  assert.match(stderr, /^bouheki: the process that was to answer ended with SIGKILL\n {2}It may take 2 GB/);
  assert.deepEqual(
    readdirSync(dirname(path)).filter((name) => name.includes('.read.')),
    [],
  );
  recording.append(batchOf([{}], recording));
  recording.flush();
});

test('a process that answers ends with the one that was asked', async (t) => {
  const { path } = await record(t);
  const { child, ended } = ask(path, ENDLESS);
  const pid = await answering(child.pid!);
  child.kill('SIGKILL');
  await ended;
  while (link(`/proc/${pid}/exe`) !== '') await sleep(10);
});
