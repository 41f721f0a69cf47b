import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const LOWEST = -1000;

/**
 * Asks the kernel to end any other process before this one when memory runs out: at -1000 never, where that
 * is refused (it takes CAP_SYS_RESOURCE) as late as it allows. Returns what then is in
 * /proc/self/oom_score_adj.
 */
export function protectFromOom(): number {
  const file = '/proc/self/oom_score_adj';
  if (accepts(file, LOWEST)) return LOWEST;
  // Whatever is not lower than some value is allowed.
  let allowed = oomScoreAdjust();
  for (let refused = LOWEST; allowed - refused > 1;) {
    const between = Math.floor((refused + allowed) / 2);
    if (accepts(file, between)) allowed = between;
    else refused = between;
  }
  return allowed;
}

/** What a child that this process starts inherits of that it gives back: it may be what takes the memory. */
export function exposeToOom(pid: number | undefined): void {
  if (pid !== undefined) accepts(`/proc/${pid}/oom_score_adj`, 0);
}

/** Of this process: -1000 (never) to 1000 (first); 0 where the kernel does not report it. */
export function oomScoreAdjust(): number {
  try {
    return Number(readFileSync('/proc/self/oom_score_adj', 'utf8'));
  } catch {
    return 0;
  }
}

/**
 * The least memory.max of the cgroups that this process is in below `root`, bytes; undefined without a limit.
 */
export function memoryLimit(root: string): number | undefined {
  let path: string | undefined;
  try {
    path = /^0::(\/.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1];
  } catch {
    return undefined;
  }
  let least = Infinity;
  for (let at = path ?? '/'; at !== '/'; at = join(at, '..'))
    least = Math.min(least, limitOf(join(root, at)));
  return least === Infinity ? undefined : least;
}

function limitOf(directory: string): number {
  try {
    const text = readFileSync(join(directory, 'memory.max'), 'utf8').trim();
    return text === 'max' ? Infinity : Number(text);
  } catch {
    return Infinity;
  }
}

function accepts(file: string, value: number): boolean {
  try {
    writeFileSync(file, String(value));
    return true;
  } catch {
    return false;
  }
}
