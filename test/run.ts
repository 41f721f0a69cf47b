/**
 * The test driver: `node dist/test/run.js [unit] [vm] [kernel] [e2e] [systemd] [server] [--kernel VERSION]...
 * [--without-bpf] [--file NAME]... [--long] [--left-out] [--at-once N]`. Runs the named levels; without a name all but `server`,
 * which `make test-kernels` runs; with --file these files of them alone (`loop` is loop.test.ts). As many parts at a
 * time as there are processors and memory for; in the virtual machine with bpf among the active security modules, or
 * without. With --long, tests that can last longer do; files called *.long.test.ts run only then, or where --file names
 * them; with --left-out they alone do. Ends with the time that each level took and the line `N passed, N failed, N skipped`, and with 1 when anything
 * failed or nothing ran.
 */
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { type Ending, execute } from './runner/execute.ts';
import { LEVELS, type Level, testFiles } from './runner/level.ts';
import { inLanes, isLong, nameOf, type Part, partsOf } from './runner/part.ts';
import { progressOf } from './runner/progress.ts';
import { Tally } from './runner/tally.ts';
import { Stopwatch } from './runner/stopwatch.ts';

const root = join(import.meta.dirname, '../..');

/** What a virtual machine takes, with room for what runs beside it. Bytes. */
const MACHINE_MEMORY = 4 * 2 ** 30;

async function runPart(part: Part, tally: Tally, watch: Stopwatch): Promise<void> {
  const { label } = part;
  console.log(`${label}: begins`);
  let failures = 0;
  const begun = performance.now();
  const ending = await execute(
    root,
    part,
    (line) => {
      if (line.kind === 'remark') console.log(`${label}:        ${line.message}`);
      else if (line.kind !== 'end') {
        if (line.kind === 'failed') failures++;
        tally.add(label, line);
        console.log(`${label}: ${progressOf(line)}`);
      }
    },
    (text) => console.log(`${label}:        ${text}`),
  );
  watch.add(part.level.name, begun, performance.now());
  const trouble = troubleOf(ending, failures, part.level);
  if (trouble === undefined) return;
  const outcome = {
    kind: 'failed',
    file: '',
    name: 'the run itself',
    milliseconds: 0,
    message: trouble,
  } as const;
  tally.add(label, outcome);
  console.log(`${label}: ${progressOf(outcome)}`);
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
    options: {
      kernel: { type: 'string', multiple: true, default: ['6.1'] },
      'without-bpf': { type: 'boolean', default: false },
      file: { type: 'string', multiple: true, default: [] },
      long: { type: 'boolean', default: false },
      'left-out': { type: 'boolean', default: false },
      'at-once': { type: 'string' },
    },
  });
  const unknown = positionals.find((name) => !LEVELS.some((level) => level.name === name));
  if (unknown !== undefined) {
    console.error(`No level "${unknown}": the levels are ${LEVELS.map((level) => level.name).join(', ')}.`);
    return 2;
  }
  const atOnce = Number(values['at-once'] ?? roomFor());
  if (!Number.isInteger(atOnce) || atOnce < 1) {
    console.error(`--at-once ${values['at-once']}: give a number of parts, 1 or more.`);
    return 2;
  }
  const tally = new Tally();
  const watch = new Stopwatch();
  const wanted = LEVELS.filter(({ name, onRequest }) =>
    positionals.length === 0 ? !onRequest : positionals.includes(name),
  );
  const { file: files, kernel: kernels, 'left-out': leftOut, long, 'without-bpf': withoutBpf } = values;
  const parts = wanted.flatMap((level) =>
    partsOf(root, level, { kernels, withoutBpf, long, leftOut, files }),
  );
  const lost = files.find((name) => !parts.some((part) => part.files.some((path) => nameOf(path) === name)));
  if (lost !== undefined) {
    console.error(`--file ${lost}: no such test file in ${wanted.map((level) => level.name).join(', ')}.`);
    return 2;
  }
  await inLanes(parts, atOnce, (part) => runPart(part, tally, watch));
  process.stdout.write(`\n${watch.summary()}`);
  if (!long && !leftOut && files.length === 0) process.stdout.write(describeLeftOut(wanted));
  process.stdout.write(`\n${tally.summary()}`);
  return tally.good ? 0 : 1;
}

/** What took too long for this run. */
function describeLeftOut(levels: readonly Level[]): string {
  const lines = levels.flatMap((level) => {
    const names = testFiles(root, level).filter(isLong).map(nameOf);
    return names.length === 0 ? [] : [`left out ${level.name}: ${names.join(', ')}\n`];
  });
  return lines.length === 0
    ? ''
    : `\n${lines.join('')}         They take long: make test-kernels runs them.\n`;
}

/** How many parts this machine can run at a time: each emulated machine takes one processor and its memory. */
function roomFor(): number {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / MACHINE_MEMORY)));
}

process.exitCode = await main();
