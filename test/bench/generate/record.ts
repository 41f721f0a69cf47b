import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BUNDLE, type Checks, CLI, measure, tellProcessor } from './check.ts';
import { makeLargeRecord } from './made/large-record.ts';
import { makeSharedRecord } from './made/shared-record.ts';

/** Records of which nearly every event is a tuple of its own; nearly all are in one part. The second has twice as many. */
const SCENES = [
  { containers: 840, services: 280, pool: 80, events: 546_000 },
  { containers: 1190, services: 400, pool: 80, events: 1_100_000 },
] as const;

/** How much more it may cost where there are twice as many tuples. */
const DOUBLING = 2.3;

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
    await benchTuples(checks, directory, output);
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

/** Records with many distinct tuples: twice as many cost about twice as much. */
async function benchTuples(checks: Checks, directory: string, output: string): Promise<void> {
  const costs: { tuples: number; processor: number }[] = [];
  for (const scene of SCENES) {
    const path = join(directory, `shared-${scene.events}.duckdb`);
    const tuples = await makeSharedRecord(path, scene);
    const name = `${tuples.toLocaleString('en')} distinct tuples to a policy`;
    const made = measure([CLI, 'generate', '--db', path, '--output', output]);
    // Beside other programs the clock on the wall measures those.
    checks.atMost(`${name}, processor`, made.processor, 30, 's');
    checks.atMost('  memory', made.megabytes, 1500, 'MB');
    tellProcessor(made);
    console.log(`      ${execFileSync('grep', ['-m1', 'Boxes', output], { encoding: 'utf8' }).trim()}`);
    costs.push({ tuples, processor: made.processor });
  }
  const [half, whole] = costs;
  const more = whole!.tuples / half!.tuples;
  // As if there were exactly twice as many.
  const factor = (whole!.processor / half!.processor) ** (Math.LN2 / Math.log(more));
  checks.atMost('  twice the tuples: processor', factor, DOUBLING, 'x');
}
