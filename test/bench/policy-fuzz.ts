import { lintPolicy } from '../../policy/analysis/lint.ts';
import { parsePolicy } from '../../policy/file/parse.ts';
import { printPolicy } from '../../policy/file/print.ts';
import { renderProblem } from '../../policy/file/problem.ts';
import { upgradePolicy } from '../../policy/file/edit/upgrade.ts';
import { mutatedPolicy, randomOf } from './policy-mutation.ts';
import { documentOf } from '../arbitrary/document-of.ts';

/**
 * Parses mutated policies for some minutes: `npm run fuzz:policy -- MINUTES [SEED]`. Fails on anything thrown, on a
 * file that takes a second of processor time, and above 200 MiB of memory. Every problem must have a place in its file.
 */
const minutes = Number(process.argv[2] ?? 1);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);
const end = performance.now() + minutes * 60_000;
const MEMORY = 200;
const counts = { files: 0, valid: 0 };
let slowest = 0;
let memory = 0;
process.stdout.write(`seed ${seed}, ${minutes} minutes\n`);
while (performance.now() < end) {
  const each = seed * 1_000_003 + counts.files;
  const text = mutatedPolicy(randomOf(each));
  const start = process.cpuUsage();
  try {
    if (check(text)) counts.valid++;
  } catch (error) {
    process.stdout.write(`file ${each} threw ${(error as Error).stack}\n${JSON.stringify(text)}\n`);
    process.exitCode = 1;
  }
  const { user, system } = process.cpuUsage(start);
  const milliseconds = (user + system) / 1000;
  if (milliseconds > slowest) slowest = milliseconds;
  if (milliseconds > 1000) {
    process.stdout.write(`file ${each} took ${milliseconds.toFixed(0)} ms\n${JSON.stringify(text)}\n`);
    process.exitCode = 1;
  }
  if (++counts.files % 200 === 0) memory = Math.max(memory, process.memoryUsage.rss() / 1024 / 1024);
}
if (memory > MEMORY) process.exitCode = 1;
process.stdout.write(
  `${counts.files} files (${counts.valid} valid), slowest ${slowest.toFixed(1)} ms, memory ${memory.toFixed(0)} MiB\n`,
);

/** Whether the file is valid, after doing with it what commands do. */
function check(text: string): boolean {
  const { policy, problems } = parsePolicy(text, 'fuzz.yaml');
  const lines = text.split('\n');
  for (const problem of problems) {
    renderProblem(problem, text);
    const line = lines[problem.line - 1];
    if (line === undefined || problem.column < 1 || problem.column > line.length + 1) {
      throw new Error(`no such place: ${problem.line}:${problem.column}`);
    }
  }
  if (!policy) {
    if (!problems.some(({ severity }) => severity === 'error')) throw new Error('no policy and no error');
    return false;
  }
  lintPolicy(policy);
  const printed = parsePolicy(printPolicy(documentOf(policy)), 'printed.yaml');
  if (!printed.policy) throw new Error(`its print is no policy: ${printed.problems[0]!.message}`);
  if (policy.version === 1) {
    const upgraded = parsePolicy(upgradePolicy(text), 'upgraded.yaml');
    if (!upgraded.policy) throw new Error(`its upgrade is no policy: ${upgraded.problems[0]!.message}`);
  }
  return true;
}
