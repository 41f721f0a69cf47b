import { readFileSync } from 'node:fs';
import { BouhekiError } from '../error/error.ts';

/** Opens no file, only identifies it: no device is started, and no pipe waits for its other end (open(2)). */
export const O_PATH = 0o10000000;

/** A path to what an open descriptor of this process refers to, whatever its name means now. */
export function pathOf(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/**
 * The number of the mount that an open file lies on; the mount table of a process that sees it has the same. Throws
 * BouhekiError `privilege` where /proc does not show it.
 */
export function mountIdOf(fd: number): number {
  return Number(/^mnt_id:\s*(\d+)$/m.exec(readOfDescriptor(fd))?.[1]);
}

function readOfDescriptor(fd: number): string {
  try {
    return readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
  } catch (error) {
    throw new BouhekiError('privilege', 'cannot see the files that this process has open (/proc/self)', {
      remedy: 'mount /proc: mount -t proc proc /proc',
      detail: (error as Error).message,
      cause: error,
    });
  }
}
