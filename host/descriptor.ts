import { readFileSync } from 'node:fs';

/** Opens no file, only identifies it: no device is started, and no pipe waits for its other end (open(2)). */
export const O_PATH = 0o10000000;

/** A path to what an open descriptor of this process refers to, whatever its name means now. */
export function pathOf(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/**
 * The number of the mount that an open file lies on; the mount table of a process that sees it has the same.
 */
export function mountIdOf(fd: number): number {
  return Number(/^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1]);
}
