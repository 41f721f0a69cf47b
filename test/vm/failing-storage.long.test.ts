/** Where BPF task storage fails, as it does on a processor without cx16 on new kernels, verdicts are right or denials. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { Counter } from '../../bpf/wire.ts';
import type { Result } from './failing-storage/inside.ts';

const repository = join(import.meta.dirname, '../../..');

/** Undefined where this kernel is not to be had. */
function runWithout(feature: string): Result | undefined {
  const words = ['--kernel', '7.2', '--cpu', `max,-${feature}`, '--timeout', '200', '--'];
  const { status, stdout, stderr } = spawnSync(
    join(repository, 'test/vm/run'),
    [...words, 'node', 'dist/test/vm/failing-storage/inside.js'],
    { encoding: 'utf8', cwd: repository },
  );
  if (status === 125 && stderr.includes('no kernel 7.2')) return undefined;
  assert.equal(status, 0, stdout + stderr);
  return JSON.parse(stdout) as Result;
}

/** How often each client was allowed to go to each destination: 1 is always, 0 never. */
function shares({ tallies }: Result): Record<string, number[]> {
  return Object.fromEntries(
    Object.entries(tallies).map(([name, each]) => [
      name,
      each.map(({ allowed, denied }) => allowed / (allowed + denied)),
    ]),
  );
}

test('with task storage that fails, users are known, no program is allowed, what is denied to any is denied, and it is counted', (t) => {
  const result = runWithout('cx16');
  if (result === undefined) {
    t.skip('there is no kernel 7.2 here, and older ones keep task storage');
    return;
  }
  if (result.counters[Counter.lostIdentity] === 0) {
    t.skip('this kernel keeps task storage without cx16 too');
    return;
  }
  assert.deepEqual(shares(result), {
    user: [1, 0, 0],
    other: [0, 0, 0],
    forks: [1, 0, 0],
    threads: [1, 0, 0],
    others: [0, 0, 0],
  });
  assert.equal(result.counters[Counter.lostSubject], 0, 'the table by thread makes room for itself');
});
