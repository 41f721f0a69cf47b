/** A kernel with full dynticks refuses membarrier(): what waits for readers of a policy must not go by it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

const repository = join(import.meta.dirname, '../../..');
const REFUSED =
  'python3 -c "import ctypes; assert ctypes.CDLL(None).syscall(324, 1, 0, 0) == -1, \'membarrier works\'"';
const TESTS = "'a swap returns only after|each policy alone'";

test('policies are swapped as safely where membarrier is refused (nohz_full)', { timeout: 600_000 }, () => {
  const { status, stdout, stderr } = spawnSync(
    join(repository, 'test/vm/run'),
    [
      '--timeout',
      '580',
      '--append',
      'nohz_full=1 rcu_nocbs=1',
      '--',
      'bash',
      '-c',
      `${REFUSED} && node --enable-source-maps --test --test-name-pattern ${TESTS} dist/test/kernel/swap.test.js`,
    ],
    { encoding: 'utf8', cwd: repository },
  );
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout, /^# pass 2$/m);
});
