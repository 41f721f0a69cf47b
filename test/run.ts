/**
 * The test driver: `node dist/test/run.js [unit] [vm] [kernel] [e2e] [systemd] [--kernel VERSION]...`. Runs the named levels, all
 * without a name. Ends with the line `N passed, N failed, N skipped`, and with 1 when anything failed or nothing ran.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { type Ending, execute } from './runner/execute.ts';
import { LEVELS, type Level, testFiles } from './runner/level.ts';
import { progressOf } from './runner/progress.ts';
import { Tally } from './runner/tally.ts';

const root = join(import.meta.dirname, '../..');

async function runLevel(level: Level, kernel: string | undefined, tally: Tally): Promise<void> {
  const where = kernel ? `${level.name} on ${kernel}` : level.name;
  const files = testFiles(root, level);
  if (files.length === 0) {
    console.log(`\n${where}: no tests`);
    return;
  }
  console.log(`\n${where}`);
  let failures = 0;
  const ending = await execute(
    root,
    level,
    files,
    kernel,
    (line) => {
      if (line.kind === 'remark') console.log(`       ${line.message}`);
      else if (line.kind !== 'end') {
        if (line.kind === 'failed') failures++;
        tally.add(where, line);
        console.log(progressOf(line));
      }
    },
    (text) => console.log(`       ${text}`),
  );
  const trouble = troubleOf(ending, failures, level);
  if (trouble === undefined) return;
  const outcome = {
    kind: 'failed',
    file: '',
    name: 'the run itself',
    milliseconds: 0,
    message: trouble,
  } as const;
  tally.add(where, outcome);
  console.log(progressOf(outcome));
}

/** What went wrong that no test has reported. */
function troubleOf({ status, complete }: Ending, failures: number, level: Level): string | undefined {
  if (!complete) return `ended with ${status} before the last test (time limit: ${level.limitSeconds} s)`;
  if (status === '0' || (status === '1' && failures > 0)) return undefined;
  return `ended with ${status} after ${failures} failures`;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { kernel: { type: 'string', multiple: true, default: ['6.1'] } },
  });
  const unknown = positionals.find((name) => !LEVELS.some((level) => level.name === name));
  if (unknown !== undefined) {
    console.error(`No level "${unknown}": the levels are ${LEVELS.map((level) => level.name).join(', ')}.`);
    return 2;
  }
  const tally = new Tally();
  for (const level of LEVELS) {
    if (positionals.length > 0 && !positionals.includes(level.name)) continue;
    for (const kernel of level.inVm ? values.kernel : [undefined]) await runLevel(level, kernel, tally);
  }
  process.stdout.write(`\n${tally.summary()}`);
  return tally.good ? 0 : 1;
}

process.exitCode = await main();
