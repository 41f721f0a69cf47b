/**
 * `npm run fuzz:edges -- [--minutes N] [--seed N] [--kernel V]`: hammers everything that a running `bouheki enforce` takes
 * from outside. Runs itself in the virtual machine. Fails when a verdict was wrong, when the daemon has ended, or when a
 * command ended in a way that is no answer.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fuzzEdges } from './edge-fuzz/fuzz.ts';

const root = join(import.meta.dirname, '../../..');
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    kernel: { type: 'string', default: '6.1' },
  },
});
const minutes = Number(values.minutes);
/** For the boot, and for what is under way when the time is up. */
const SLACK_SECONDS = 600;

if (hostname() !== 'bouheki-vm') {
  const limit = String(Math.ceil(minutes * 60) + SLACK_SECONDS);
  const words = [import.meta.filename, '--minutes', values.minutes, '--seed', values.seed];
  const { status } = spawnSync(
    join(root, 'test/vm/run'),
    ['--kernel', values.kernel, '--timeout', limit, '--', process.execPath, '--enable-source-maps', ...words],
    { stdio: 'inherit' },
  );
  process.exitCode = status ?? 1;
} else {
  process.stdout.write(`seed ${values.seed}, ${minutes} minutes\n`);
  execFileSync('test/vm/network', ['start', '--tcp', '80', '--udp-sink', '80'], { cwd: root });
  const { alive, cases, checks, faults, memory, wrong } = await fuzzEdges(minutes * 60, Number(values.seed));
  for (const fault of [...faults, ...wrong]) process.stdout.write(`${fault}\n`);
  const counts = Object.entries(cases).map(([name, count]) => `${count} ${name}`);
  process.stdout.write(
    `seed ${values.seed}: ${counts.join(', ')}; ${checks} verdicts, ${wrong.length} wrong; ${faults.length} faults; ` +
      `daemon ${alive ? 'alive' : 'ended'}, ${memory[0]} MiB at the start, ${memory[1]} MiB at the end\n`,
  );
  if (wrong.length > 0 || faults.length > 0 || !alive) process.exitCode = 1;
}
