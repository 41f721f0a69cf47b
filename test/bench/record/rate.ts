import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { AccountNames } from '../../../profiler/identity/account.ts';
import { ContainerNames } from '../../../profiler/identity/container.ts';
import { CredentialTable } from '../../../profiler/identity/credential-table.ts';
import { keepDraining } from '../../../daemon/drain-timer.ts';
import { ProcessTable } from '../../../profiler/identity/process-table.ts';
import { openReader } from '../../../profiler/read/read.ts';
import { Recorder } from '../../../profiler/record/recorder.ts';
import { StoreProcess } from '../../../profiler/store/store-process.ts';
import type { Flooder } from './flooder.ts';
import { startWatcher, type Watched } from './watched.ts';

/** As in daemon/session.ts. */
const FLUSH_EVERY = 900;
/** Milliseconds after which the rings have been read once more, whatever the rate. */
const DRAINED = 100;

/** What came of one rate. */
export interface RateResult {
  produced: number;
  perSecond: number;
  committed: number;
  lost: number;
  denied: number;
  committedDenials: number;
  /** Shares of one core: of the process that records and that of its store together, and of the latter alone. */
  recorderCpu: number;
  storeCpu: number;
  floodCpu: number;
  /** Most resident memory seen, bytes: of the process that records, and that of its store. */
  memory: number;
  storeMemory: number;
  bytesPerRow: number;
  /** Times that another process has read all observations meanwhile. */
  reads: number;
  /** What `bouheki watch` has made of it, where it was to. */
  watched: Watched | undefined;
  /** Longest time between two looks at the rings, milliseconds. */
  longest: number;
}

/** Reads the observations of a database over and over in a process of its own. Returns how to end it. */
function startReader(path: string): () => number {
  const child = spawn(process.execPath, [fileURLToPath(new URL('reader.js', import.meta.url)), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let reads = 0;
  child.stdout.on('data', (text: Buffer) => (reads += text.length));
  return () => {
    child.kill();
    return reads;
  };
}

/** Drains and flushes like a session, and keeps the most memory and the longest pause. */
function startLoop(
  flooder: Flooder,
  recorder: Recorder,
  store: number,
): { stop(): Pick<RateResult, 'longest' | 'memory' | 'storeMemory'> } {
  const peaks = { longest: 0, memory: 0, storeMemory: 0 };
  let last = performance.now();
  const stopDraining = keepDraining(flooder, () => {
    recorder.drain();
    const now = performance.now();
    peaks.longest = Math.max(peaks.longest, now - last);
    last = now;
  });
  const flush = setInterval(() => {
    recorder.flush();
    peaks.memory = Math.max(peaks.memory, process.memoryUsage.rss());
    peaks.storeMemory = Math.max(peaks.storeMemory, residentOf(store));
  }, FLUSH_EVERY);
  return {
    stop: () => {
      stopDraining();
      clearInterval(flush);
      return peaks;
    },
  };
}

/** Who reads what is recorded meanwhile, and what is recorded before. */
interface Beside {
  /** Reads all observations over and over. */
  reader?: boolean;
  /** `bouheki watch`. */
  watcher?: boolean;
  /** Seconds of the same before costs are taken: processes are told of, and machine code is made. */
  before?: number;
}

/** Records at one rate into a database of its own, with the loop of a session. */
export async function recordAt(
  flooder: Flooder,
  rate: number,
  seconds: number,
  { before: warm = 0, reader = false, watcher = false }: Beside = {},
): Promise<RateResult> {
  const directory = mkdtempSync(join(tmpdir(), 'bouheki-bench-'));
  const path = join(directory, 'bouheki.duckdb');
  try {
    const before = flooder.state.counters();
    const store = await StoreProcess.open(path);
    const recording = await store.startRecording({
      host: 'bench',
      kernel: '',
      backend: 'cgroup',
      command: 'learn',
      target: 'host',
    });
    const processes = new ProcessTable(recording, new ContainerNames([]));
    const credentials = new CredentialTable(recording, new AccountNames());
    const recorder = new Recorder(flooder, recording, processes, credentials);
    const loop = startLoop(flooder, recorder, store.pid);
    const endReader = reader ? startReader(path) : () => 0;
    const endWatcher = watcher ? await startWatcher(path) : undefined;
    if (warm > 0) await flooder.flood(rate, warm);
    const cpu = process.cpuUsage();
    const storeCpu = cpuOf(store.pid);
    const began = performance.now();
    const flood = await flooder.flood(rate, seconds);
    await sleep(DRAINED);
    const { user, system } = process.cpuUsage(cpu);
    const stored = cpuOf(store.pid) - storeCpu;
    const elapsed = (performance.now() - began) / 1000;
    const peaks = loop.stop();
    const reads = endReader();
    await recorder.drainAll();
    recorder.flush();
    await recording.end('complete');
    await store.close();
    const watched = await endWatcher?.();
    const after = flooder.state.counters();
    const bytes = statSync(path).size + (statSync(`${path}.wal`, { throwIfNoEntry: false })?.size ?? 0);
    const { committed, denials, lost } = await committedIn(path);
    return {
      produced: after.produced - before.produced,
      perSecond: flood.written / flood.seconds,
      committed,
      lost,
      denied: after.denied - before.denied,
      committedDenials: denials,
      recorderCpu: ((user + system) / 1e6 + stored) / elapsed,
      storeCpu: stored / elapsed,
      floodCpu: flood.cpu / flood.seconds,
      ...peaks,
      bytesPerRow: committed === 0 ? 0 : bytes / committed,
      reads,
      watched,
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Seconds of processor time of all threads of a process, none of which ends before it does. */
function cpuOf(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce(
    (sum, thread) =>
      sum + Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e9,
    0,
  );
}

function residentOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

async function committedIn(path: string): Promise<{ committed: number; denials: number; lost: number }> {
  const reader = await openReader(path);
  try {
    const { rows } = await reader.query(
      `SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM event WHERE verdict = 1),
        (SELECT coalesce(sum(count), 0)::BIGINT FROM loss WHERE kind IN ('ring', 'denial-ring'))`,
    );
    const [committed, denials, lost] = rows[0]!.map(Number);
    return { committed: committed!, denials: denials!, lost: lost! };
  } finally {
    reader.close();
  }
}
