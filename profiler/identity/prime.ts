import { readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Egress } from '../../bpf/egress.ts';
import type { RunningProgram } from '../../bpf/executable.ts';
import { plainPath, scriptOf } from '../../bpf/interpreter.ts';
import { namespaceOf } from '../../host/namespace.ts';
import { readProcessStat, TICK } from '../../host/process-stat.ts';
import { PATH_SIZE, ProcessFlag } from '../../bpf/wire.ts';
import { DELETED } from '../event/executable.ts';
import { findAncestors } from './ancestor.ts';

/** How often processes are looked for that were made meanwhile. */
const MOST_ROUNDS = 10;

/**
 * Gives the kernel side the executables of the processes that were there before it. Call it after the hooks
 * are attached: what is executed from then on is seen by them. Looks again for the children of those that it
 * had not come to yet. Returns the number of processes.
 */
export function primeIdentities(egress: Egress): number {
  if (!egress.canPrime) return 0;
  let primed = 0;
  const seen = new Set<number>();
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    const fresh = egress.runningPrograms().filter(({ pid }) => !seen.has(pid));
    if (fresh.length === 0) break;
    for (const program of fresh) {
      seen.add(program.pid);
      if (primeProcess(egress, program)) primed += 1;
    }
  }
  return primed;
}

/** False for what is gone meanwhile. */
function primeProcess(egress: Egress, { file, flags: foreign, pid, started }: RunningProgram): boolean {
  try {
    // Its number may be another's by now.
    if (readProcessStat(`/proc/${pid}`)?.started !== started - (started % TICK)) return false;
    const path = readlinkSync(`/proc/${pid}/exe`);
    let flags = foreign;
    if (path.endsWith(DELETED)) flags |= ProcessFlag.deleted;
    if (path.startsWith('/memfd:')) flags |= ProcessFlag.memfd;
    const script = scriptOfProcess(pid, path);
    if (script !== undefined) flags |= ProcessFlag.script;
    const mountNamespace = namespaceOf(pid, 'mnt');
    return egress.prime(pid, { file, path, mountNamespace, flags, script, ancestors: findAncestors(pid) });
  } catch {
    return false;
  }
}

/** The script that a process runs, by what it shows now: it may have changed its arguments or its directory since it started. */
export function scriptOfProcess(pid: number, executable: string): string | undefined {
  const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  const name = scriptOf(basename(executable), words)?.replace(/^(?:\.\/){1,3}/, '');
  if (name === undefined) return undefined;
  const path = name.startsWith('/') ? name : join(readlinkSync(`/proc/${pid}/cwd`), '/') + name;
  const plain = Buffer.byteLength(path) < PATH_SIZE ? plainPath(path) : '/';
  return plain === '/' ? undefined : plain;
}
