import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** Whether a bench runs in the virtual machine by now. */
export const isInMachine = process.env.BOUHEKI_VM_BENCH !== undefined;

/**
 * Runs a bench in the virtual machine, where one instruction is one nanosecond. `file`: the bench; `timeout`: seconds;
 * `args`: its own. Returns its exit status.
 */
export function runInMachine(
  file: string,
  kernel: string,
  timeout: number,
  args: readonly string[] = [],
): number {
  const machine = ['--kernel', kernel, '--icount', '--timeout', String(timeout)];
  const { status } = spawnSync(
    join(import.meta.dirname, '../../../test/vm/run'),
    [...machine, '--', 'env', 'BOUHEKI_VM_BENCH=1', process.execPath, file, ...args],
    { stdio: 'inherit' },
  );
  return status ?? 1;
}
