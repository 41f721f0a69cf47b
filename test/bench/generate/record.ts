import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate, openDatabase } from '../../../profiler/database/database.ts';
import type { Checks } from './check.ts';
import { makeSharedRecord } from './made/shared-record.ts';

const EVENTS = 10_000_000;
const PROCESSES = 2000;
const START = 1_795_219_200_000_000;

/** 1,189,540 distinct tuples, nearly all in one part. */
const SCENE = { containers: 1300, services: 400, pool: 80, events: 1_300_000 };

const ROOT = join(import.meta.dirname, '..', '..', '..');
const CLI = join(ROOT, 'cli', 'main.js');
const BUNDLE = join(ROOT, 'bundle', 'main.js');

/** The command on whole records: of many events, and of many distinct tuples. */
export async function benchRecord(checks: Checks): Promise<void> {
  if (spawnSync('/usr/bin/time', ['--version']).error !== undefined) {
    console.log('      /usr/bin/time is not installed: whole records are not measured');
    return;
  }
  const directory = mkdtempSync(join(tmpdir(), 'bouheki-bench-'));
  try {
    const path = join(directory, 'record.duckdb');
    const output = join(directory, 'policy.yaml');
    await makeRecord(path);
    benchEvents(checks, path, output);
    const shared = join(directory, 'shared.duckdb');
    await makeSharedRecord(shared, SCENE);
    benchTuples(checks, shared, output);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Ten million events of a day: 2,000 processes of 300 programs, 64,000 observations. */
function benchEvents(checks: Checks, path: string, output: string): void {
  const made = measure([CLI, 'generate', '--db', path, '--output', output]);
  checks.atMost('10,000,000 events to a policy', made.seconds, 5, 's');
  checks.atMost('  memory', made.megabytes, 1000, 'MB');
  tellProcessor(made);
  const replay = measure([BUNDLE, 'enforce', output, '--dry-run', '--since', '2026-01-01', '--db', path]);
  console.log(`      ${replay.stdout.split('\n')[0]}`);
  checks.atMost('  and replayed under it before it blocks', replay.seconds, 15, 's');
  checks.atMost('  memory', replay.megabytes, 1000, 'MB');
  tellProcessor(replay);
}

/** A record of which each event is nearly one of its own. */
function benchTuples(checks: Checks, path: string, output: string): void {
  const made = measure([CLI, 'generate', '--db', path, '--output', output]);
  checks.atMost('1,189,540 distinct tuples to a policy', made.seconds, 30, 's');
  checks.atMost('  memory', made.megabytes, 1500, 'MB');
  tellProcessor(made);
  console.log(`      ${execFileSync('grep', ['-m1', 'Boxes', output], { encoding: 'utf8' }).trim()}`);
}

interface Measured {
  stdout: string;
  seconds: number;
  /** Seconds of processor time. */
  processor: number;
  megabytes: number;
}

/** Runs a program of ours to its end. */
function measure(args: readonly string[]): Measured {
  const time = ['-f', '%e %U %S %M', process.execPath, ...args];
  const { stderr, stdout } = spawnSync('/usr/bin/time', time, { encoding: 'utf8' });
  const [seconds, user, system, kilobytes] = stderr.trim().split('\n').at(-1)!.split(' ').map(Number);
  return { stdout, seconds: seconds!, processor: user! + system!, megabytes: kilobytes! / 1000 };
}

function tellProcessor({ processor }: Measured): void {
  const load = execFileSync('cat', ['/proc/loadavg'], { encoding: 'utf8' }).split(' ')[0];
  console.log(`      processor ${processor.toFixed(1)} s, with a load of ${load} on the machine`);
}

async function makeRecord(path: string): Promise<void> {
  const { close, connection } = await openDatabase(path, 'write');
  await migrate(connection, path);
  const statements = [
    `INSERT INTO recording (id, host, kernel, backend, command, target, started_at, ended_at, state, events)
      VALUES (1, 'bench', '6.1', 'lsm', 'learn', 'host', ${START}, ${START + 86_400_000_000}, 'complete', ${EVENTS})`,
    `INSERT INTO command SELECT 1, i, 'cmd' || i FROM range(200) t(i)`,
    `INSERT INTO process (recording, id, key, pid, exe, script, command, cgroup_path, unit)
      SELECT 1, i, i, i, '/usr/bin/prog' || (i % 300), CASE WHEN i % 5 = 0 THEN '/srv/app' || (i % 300) || '.py' END,
        'cmd' || (i % 200), '/system.slice/x' || (i % 100) || '.service', 'x' || (i % 100) || '.service'
      FROM range(${PROCESSES}) t(i)`,
    `INSERT INTO credential SELECT 1, i, i * 100, i * 100, i * 100, i * 100, i * 100, i * 100 FROM range(7) t(i)`,
    // Few processes make most connections; each program has its own sixteen peers.
    `INSERT INTO event SELECT 1, ${START} + i * 8640, p, p % 200, p % 7, 4, 0,
        167772160 + (p % 300) * 16 + (hash(i) % 16)::UBIGINT, 443 + (hash(i * 7) % 2) * 8000, 6, 1, 0, NULL, 0, 0, 0, 1, 0
      FROM (SELECT i, (pow((hash(i * 13) % 1000000) / 1000000.0, 3) * ${PROCESSES})::INTEGER % ${PROCESSES} AS p
        FROM range(${EVENTS}) t(i))`,
    'CHECKPOINT',
  ];
  for (const statement of statements) await connection.run(statement);
  close();
}
