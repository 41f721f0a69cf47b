import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate, openDatabase } from '../../../profiler/database/database.ts';
import type { Checks } from './check.ts';

const EVENTS = 10_000_000;
const PROCESSES = 2000;
const START = 1_795_219_200_000_000;

/** The command on a record of ten million events of a day: 2,000 processes of 300 programs, 64,000 observations. */
export async function benchRecord(checks: Checks): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'bouheki-bench-'));
  try {
    const path = join(directory, 'record.duckdb');
    await makeRecord(path);
    const cli = join(import.meta.dirname, '..', '..', '..', 'cli', 'main.js');
    const main = join(import.meta.dirname, '..', '..', '..', 'bundle', 'main.js');
    const output = join(directory, 'policy.yaml');
    const time = ['-f', '%e %U %S %M', process.execPath, cli, 'generate', '--db', path, '--output', output];
    if (spawnSync('/usr/bin/time', ['--version']).error !== undefined) {
      console.log('      /usr/bin/time is not installed: the record of 10,000,000 events is not measured');
      return;
    }
    const { stderr } = spawnSync('/usr/bin/time', time, { encoding: 'utf8' });
    const [wall, user, system, kilobytes] = stderr.trim().split('\n').at(-1)!.split(' ').map(Number);
    checks.atMost('10,000,000 events to a policy', wall!, 5, 's');
    checks.atMost('  memory', kilobytes! / 1000, 1000, 'MB');
    const replayed = [
      process.execPath,
      main,
      'enforce',
      output,
      '--dry-run',
      '--since',
      '2026-01-01',
      '--db',
      path,
    ];
    const preflight = spawnSync('/usr/bin/time', ['-f', '%e %U %S %M', ...replayed], { encoding: 'utf8' });
    const [waited, used, inKernel, most] = preflight.stderr.trim().split('\n').at(-1)!.split(' ').map(Number);
    console.log(`      ${preflight.stdout.split('\n')[0]}`);
    checks.atMost('  and replayed under it before it blocks', waited!, 15, 's');
    checks.atMost('  memory', most! / 1000, 1000, 'MB');
    console.log(`      processor ${(used! + inKernel!).toFixed(1)} s`);
    const load = execFileSync('cat', ['/proc/loadavg'], { encoding: 'utf8' }).split(' ')[0];
    console.log(`      processor ${(user! + system!).toFixed(1)} s, with a load of ${load} on the machine`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
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
