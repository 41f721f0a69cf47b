import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** The pids of all processes. */
export function processes(): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
}

/** Inodes of the sockets that a process has open. Empty when it is gone, or not ours to see. */
export function socketsOf(pid: string): string[] {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(join(folder, fd)))?.[1] ?? [];
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
}

/** How long all that is open may be looked at, milliseconds: users may have opened any number of files. */
const PATIENCE = 10_000;

/**
 * Of each socket that is open the first process that has it, by inode. Processes that are not reached in time have none.
 */
export function holdersOfAll(patience = PATIENCE): Map<string, number> {
  const deadline = performance.now() + patience;
  const holders = new Map<string, number>();
  for (const pid of processes()) {
    if (performance.now() > deadline) break;
    for (const inode of socketsOf(pid)) if (!holders.has(inode)) holders.set(inode, Number(pid));
  }
  return holders;
}
