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

const BOUHEKI = fileURLToPath(new URL('../../../bundle/main.js', import.meta.url));
const CONNECT = fileURLToPath(new URL('connect', import.meta.url));
/** Of /proc/PID/stat, a second. */
const TICKS = 100;

const run = promisify(execFile);

/** What came of real connections at one rate. */
export interface RealResult {
  made: number;
  perSecond: number;
  committed: number;
  lost: number;
  /** Share of one core. */
  recorderCpu: number;
  generatorCpu: number;
  /** Most resident memory of the recorder, bytes. */
  memory: number;
  bytesPerRow: number;
  /** Times that `generate` and `status` were answered meanwhile. */
  generated: number;
  told: number;
}

/**
 * `bouheki learn` on a cgroup of its own, in which one process makes TCP connections to loopback addresses at a rate,
 * while `generate` and `status` are asked over and over, when wanted.
 */
export async function recordReal(rate: number, seconds: number, withReaders: boolean): Promise<RealResult> {
  const cgroup = join(cgroupRoot(), `bouheki-bench-${process.pid}`);
  const directory = mkdtempSync(join(tmpdir(), 'bouheki-bench-'));
  const db = join(directory, 'bouheki.duckdb');
  mkdirSync(cgroup);
  try {
    const learn = spawn(process.execPath, [BOUHEKI, 'learn', '--cgroup', cgroup, '--db', db], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await started(learn);
    const before = cpuOf(learn.pid!);
    const began = performance.now();
    const asked = { over: false, generated: 0, told: 0 };
    const asking = withReaders ? askRepeatedly(db, asked) : Promise.resolve();
    const { stdout } = await run(CONNECT, [cgroup, String(rate), String(seconds)]);
    const [made, lasted, generatorCpu] = stdout.split(' ').map(Number) as [number, number, number];
    const recorderCpu = (cpuOf(learn.pid!) - before) / ((performance.now() - began) / 1000);
    asked.over = true;
    await asking;
    const memory =
      1024 * Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${learn.pid}/status`, 'utf8'))![1]);
    const ended = once(learn, 'exit');
    learn.kill('SIGTERM');
    await ended;
    const { committed, lost } = await recordedIn(db);
    return {
      made,
      perSecond: made / lasted,
      committed,
      lost,
      recorderCpu,
      generatorCpu: generatorCpu / lasted,
      memory,
      bytesPerRow: committed === 0 ? 0 : statSync(db).size / committed,
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

/** CPU seconds of a process. */
function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

async function recordedIn(db: string): Promise<{ committed: number; lost: number }> {
  const reader = await openReader(db);
  try {
    const { rows } = await reader.query(
      'SELECT (SELECT count(*) FROM event), (SELECT coalesce(sum(count), 0)::BIGINT FROM loss)',
    );
    const [committed, lost] = rows[0]!.map(Number);
    return { committed: committed!, lost: lost! };
  } finally {
    reader.close();
  }
}
