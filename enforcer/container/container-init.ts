import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { O_PATH } from '../../host/descriptor.ts';
import { visibleNamespace } from '../../host/namespace.ts';
import { readProcessStat } from '../../host/process-stat.ts';

/**
 * The first process of a container, and what it sees; both stay what they are when its number goes to
 * another.
 */
export interface ContainerInit {
  /** Its directory in /proc, opened with O_PATH. */
  process: number;
  /** Its root directory when it was found, opened with O_PATH. */
  root: number;
  /** Its mount namespace when it was found. */
  mountNamespace: number;
}

/**
 * Finds the first process of the container that lives in a cgroup (its directory, and its path in the
 * hierarchy), as soon as that has a root and mounts of its own. It is the oldest: a runtime puts it there
 * before anything else, and every process that comes later may have made other mounts. Undefined where there
 * is none (yet).
 */
export function findInit(directory: string, path: string): ContainerInit | undefined {
  const host = { mounts: visibleNamespace('mnt'), root: statSync('/', { bigint: true }) };
  const processes = pidsIn(directory).flatMap((pid) => openProcess(pid, path) ?? []);
  processes.sort((a, b) => Number(a.started - b.started) || a.pid - b.pid);
  try {
    for (const [index, { fd }] of processes.entries()) {
      const seen = openView(fd, host);
      if (!seen) continue;
      processes.splice(index, 1);
      return { process: fd, ...seen };
    }
    return undefined;
  } finally {
    for (const { fd } of processes) closeSync(fd);
  }
}

/** Whether the process that is held open still runs. */
export function isAlive({ process }: ContainerInit): boolean {
  return startOf(process) !== undefined;
}

export function closeInit({ process, root }: ContainerInit): void {
  closeSync(process);
  closeSync(root);
}

function pidsIn(directory: string): number[] {
  let children: string[];
  let text: string;
  try {
    text = readFileSync(join(directory, 'cgroup.procs'), 'utf8');
  } catch {
    // A threaded cgroup does not list its processes, and they are those of the one above it.
    text = '';
  }
  try {
    children = readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch {
    children = [];
  }
  const own = text
    .split('\n')
    .map(Number)
    .filter((pid) => pid > 0);
  return [...own, ...children.flatMap((child) => pidsIn(join(directory, child)))];
}

/** A process that runs in the cgroup or below it: by the time it is open the number may be another's. */
function openProcess(pid: number, path: string): { fd: number; pid: number; started: bigint } | undefined {
  let fd: number;
  try {
    fd = openSync(`/proc/${pid}`, O_PATH);
  } catch {
    return undefined;
  }
  const started = startOf(fd);
  if (started !== undefined && isIn(fd, path)) return { fd, pid, started };
  closeSync(fd);
  return undefined;
}

/** When a process started, nanoseconds since boot; undefined when it has ended. */
function startOf(process: number): bigint | undefined {
  const stat = readProcessStat(`/proc/self/fd/${process}`);
  return stat?.ended === false ? stat.started : undefined;
}

function isIn(process: number, path: string): boolean {
  try {
    const own = /^0::(.*)$/m.exec(readFileSync(`/proc/self/fd/${process}/cgroup`, 'utf8'))?.[1];
    return own === path || own?.startsWith(`${path}/`) === true;
  } catch {
    return false;
  }
}

/** What a process sees, unless it is what the host sees: a runtime begins a container with that. */
function openView(
  process: number,
  host: { mounts: number; root: { dev: bigint; ino: bigint } },
): Pick<ContainerInit, 'root' | 'mountNamespace'> | undefined {
  let root: number | undefined;
  try {
    const link = readlinkSync(`/proc/self/fd/${process}/ns/mnt`);
    const mountNamespace = Number(/\[(\d+)\]/.exec(link)?.[1]);
    if (mountNamespace === host.mounts) return undefined;
    root = openSync(`/proc/self/fd/${process}/root`, O_PATH);
    const { dev, ino } = fstatSync(root, { bigint: true });
    if (dev !== host.root.dev || ino !== host.root.ino) return { root, mountNamespace };
  } catch {
    // It has ended.
  }
  if (root !== undefined) closeSync(root);
  return undefined;
}
