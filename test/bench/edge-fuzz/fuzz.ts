import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { RecorderClient } from '../../../profiler/serve/recorder-client.ts';
import { randomOf } from '../policy-mutation.ts';
import { commandEdge } from './command-edge.ts';
import { hammer, type Ground, type Tally } from './edge.ts';
import { metricsEdge } from './metrics-edge.ts';
import { Asker } from './oracle.ts';
import { POLICY, policyEdge } from './policy-edge.ts';
import { socketEdge } from './socket-edge.ts';

const MAIN = join(import.meta.dirname, '../../../bundle/main.js');
const EDGES = [socketEdge, commandEdge, policyEdge, metricsEdge];
/** Attackers at the socket at a time: as many as the recorder serves, and some more. */
const AT_SOCKET = 3;

/** What a run has come to. */
export interface FuzzReport {
  /** Cases by edge. */
  cases: Record<string, number>;
  faults: string[];
  checks: number;
  wrong: string[];
  alive: boolean;
  /** Resident memory of the daemon before and after, MiB. */
  memory: [number, number];
}

/**
 * Hammers a running `bouheki enforce` from all sides for so many seconds, while a client asks every 10 ms for an address
 * that is denied and one that is allowed. Only in the virtual machine, with the network of test/vm/network.
 */
export async function fuzzEdges(seconds: number, seed: number): Promise<FuzzReport> {
  const place = mkdtempSync('/tmp/edge-fuzz-');
  const daemon = await start(place);
  const asker = await Asker.start();
  const { child, ...rest } = daemon;
  const ground = { ...rest, daemon: child.pid! };
  const before = memoryOf(daemon.child.pid!);
  const until = performance.now() + seconds * 1000;
  const attackers = [...EDGES, ...Array.from({ length: AT_SOCKET - 1 }, () => socketEdge)];
  const work = attackers.map(async (edge, index) => {
    const own = join(place, String(index));
    mkdirSync(own);
    const given: Ground = { ...ground, place: own, random: randomOf(seed * 101 + index) };
    return [edge.name, await hammer(edge, given, asker, until)] as const;
  });
  const tallies = await Promise.all(work);
  const report = summarize(tallies, asker);
  report.alive = daemon.child.exitCode === null && (await answers(daemon.db));
  report.memory = [before, report.alive ? memoryOf(daemon.child.pid!) : 0];
  await asker.end();
  await end(daemon.child, report);
  if (report.faults.length > 0 || !report.alive)
    report.faults.push(`standard error ends:\n${daemon.said().slice(-3000)}`);
  return report;
}

interface Daemon {
  child: ChildProcess;
  db: string;
  policy: string;
  metricsPort: number;
  said(): string;
}

async function start(place: string): Promise<Daemon> {
  const policy = join(place, 'policy.yaml');
  mkdirSync(join(place, 'record'), { mode: 0o700 });
  const db = join(place, 'record/record.duckdb');
  const errors = join(place, 'stderr');
  writeFileSync(policy, POLICY, { mode: 0o600 });
  const child = spawn(process.execPath, [MAIN, 'enforce', policy, '--db', db, '--metrics', '127.0.0.1:0'], {
    stdio: ['ignore', openSync(join(place, 'stdout'), 'w'), openSync(errors, 'w')],
  });
  const said = (): string => readFileSync(errors, 'utf8');
  while (!/^Blocking by /m.test(said())) {
    if (child.exitCode !== null) throw new Error(said());
    await wait(100);
  }
  return { child, db, policy, said, metricsPort: Number(/^Metrics are at port (\d+)/m.exec(said())![1]) };
}

function summarize(tallies: readonly (readonly [string, Tally])[], asker: Asker): FuzzReport {
  const cases: Record<string, number> = {};
  for (const [name, tally] of tallies) cases[name] = (cases[name] ?? 0) + tally.cases;
  const faults = tallies.flatMap(([, tally]) => tally.faults);
  return { cases, faults, checks: asker.checks, wrong: asker.wrong, alive: false, memory: [0, 0] };
}

/** Whether the recorder still answers a reader. */
async function answers(db: string): Promise<boolean> {
  for (let left = 60; left > 0; left--) {
    try {
      const client = await RecorderClient.connect(db);
      try {
        return (await client.status()).recording !== undefined;
      } finally {
        client.close();
      }
    } catch {
      // The last readers of the fuzz may still be there.
      await wait(1000);
    }
  }
  return false;
}

async function end(child: ChildProcess, report: FuzzReport): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) {
    report.faults.push(`the daemon ended with ${child.exitCode ?? child.signalCode}`);
    return;
  }
  const ended = new Promise<string>((resolve) =>
    child.once('exit', (code, signal) => resolve(String(code ?? signal))),
  );
  child.kill('SIGTERM');
  const how = await ended;
  if (how !== '0') report.faults.push(`the daemon ended with ${how} when it was told to`);
}

function memoryOf(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kilobytes) / 1024);
}
