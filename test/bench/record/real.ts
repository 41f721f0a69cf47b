import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cgroupRoot } from '../../../host/cgroup-root.ts';
import { openReader } from '../../../profiler/read/read.ts';
import { cpuOf } from '../cpu.ts';

const BOUHEKI = fileURLToPath(new URL('../../../bundle/main.js', import.meta.url));
const CONNECT = fileURLToPath(new URL('connect', import.meta.url));

const run = promisify(execFile);

/** What is done over and over: see connect.c. */
export interface RealTraffic {
  kind: 'tcp' | 'datagrams' | 'queries';
  /** Times a second. */
  rate: number;
  seconds: number;
  destinations: number;
}

/** What came of real connections at one rate. */
export interface RealResult {
  made: number;
  perSecond: number;
  committed: number;
  lost: number;
  rows: number;
  /** Share of one core, with the process of the store. */
  recorderCpu: number;
  generatorCpu: number;
  /** Most resident memory of the recorder, bytes. */
  memory: number;
  /** Of the file. */
  bytes: number;
  /** Times that `generate` and `status` were answered meanwhile. */
  generated: number;
  told: number;
}

/**
 * `bouheki learn` on a cgroup of its own, in which one process makes connections to loopback addresses at a rate, while
 * `generate` and `status` are asked over and over, when wanted.
 */
export async function recordReal(traffic: RealTraffic, withReaders: boolean): Promise<RealResult> {
  const cgroup = join(cgroupRoot(), `bouheki-bench-${process.pid}`);
  const directory = mkdtempSync(join(tmpdir(), 'bouheki-bench-'));
  const db = join(directory, 'bouheki.duckdb');
  mkdirSync(cgroup);
  try {
    const learn = spawn(process.execPath, [BOUHEKI, 'learn', '--cgroup', cgroup, '--db', db], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await started(learn);
    const before = cpuOfAll(learn.pid!);
    const began = performance.now();
    const asked = { over: false, generated: 0, told: 0 };
    const asking = withReaders ? askRepeatedly(db, asked) : Promise.resolve();
    const { destinations, kind, rate, seconds } = traffic;
    const { stdout } = await run(CONNECT, [cgroup, ...[rate, seconds, kind, destinations].map(String)]);
    const [made, lasted, generatorCpu] = stdout.split(' ').map(Number) as [number, number, number];
    const recorderCpu = (cpuOfAll(learn.pid!) - before) / ((performance.now() - began) / 1000);
    asked.over = true;
    await asking;
    const memory =
      1024 * Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${learn.pid}/status`, 'utf8'))![1]);
    const ended = once(learn, 'exit');
    learn.kill('SIGTERM');
    await ended;
    const { committed, lost, rows } = await recordedIn(db);
    return {
      made,
      perSecond: made / lasted,
      committed,
      lost,
      rows,
      recorderCpu,
      generatorCpu: generatorCpu / lasted,
      memory,
      bytes: statSync(db).size,
      generated: asked.generated,
      told: asked.told,
    };
  } finally {
    rmSync(directory, { recursive: true });
    rmdirSync(cgroup);
  }
}

async function started(learn: ChildProcess): Promise<void> {
  let said = '';
  for await (const text of learn.stderr!.iterator({ destroyOnReturn: false })) {
    said += String(text);
    if (/^Recording \d+ into /m.test(said)) break;
  }
  learn.stderr!.resume();
  if (!said.includes('Recording')) throw new Error(`learn did not start: ${said}`);
}

/** Fails when one of the two fails. */
async function askRepeatedly(db: string, asked: { over: boolean; generated: number; told: number }) {
  // Until something has been committed there is nothing to generate from.
  await sleep(2000);
  while (!asked.over) {
    await run(process.execPath, [BOUHEKI, 'generate', '--db', db], { maxBuffer: 1 << 30 });
    asked.generated += 1;
    await run(process.execPath, [BOUHEKI, 'status', '--db', db]);
    asked.told += 1;
  }
}

/** CPU seconds of a process, and of its children that live. */
function cpuOfAll(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  return children.filter(Boolean).reduce((sum, child) => sum + cpuOfAll(Number(child)), cpuOf(pid));
}

async function recordedIn(db: string): Promise<{ committed: number; lost: number; rows: number }> {
  const reader = await openReader(db);
  try {
    const { rows } = await reader.query(
      `SELECT (SELECT coalesce(sum(count), 0)::BIGINT FROM connections),
        (SELECT coalesce(sum(count), 0)::BIGINT FROM loss WHERE kind NOT IN ('answer', 'name')),
        (SELECT count(*) FROM connections)`,
    );
    const [committed, lost, all] = rows[0]!.map(Number);
    return { committed: committed!, lost: lost!, rows: all! };
  } finally {
    reader.close();
  }
}
