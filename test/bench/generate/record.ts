import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BUNDLE, type Checks, CLI, measure, tellProcessor } from './check.ts';
import { makeLargeRecord } from './made/large-record.ts';
import { makeSharedRecord } from './made/shared-record.ts';

/** 1,189,540 distinct tuples, nearly all in one part. */
const SCENE = { containers: 1300, services: 400, pool: 80, events: 1_300_000 };

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
    await makeLargeRecord(path);
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
