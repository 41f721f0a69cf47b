import { closeSync, constants, fstatSync, openSync, readlinkSync } from 'node:fs';
import { O_PATH } from '../../host/descriptor.ts';

/** As the kernel has it (path_resolution(7)). */
const MOST_LINKS = 40;

/** Errors of a path that leads to nothing; after any other error it is unknown. */
const NOTHING: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG']);

/**
 * Opens with O_PATH what an absolute path means for those who have the directory `root` for their root: no
 * link and no `..` leads out of it, whatever they change meanwhile. Undefined when it means nothing. Throws
 * what the system says when it is unknown, and waits as long as their file systems do.
 */
export function openInRoot(root: number, path: string): number | undefined {
  // Every directory on the way, so that `..` is a step back and no question to a file system.
  const way = [openSync(`/proc/self/fd/${root}`, O_PATH)];
  const names = namesOf(path);
  let links = 0;
  try {
    while (names.length > 0) {
      const name = names.shift()!;
      if (name === '..') {
        if (way.length > 1) closeSync(way.pop()!);
        continue;
      }
      const at = `/proc/self/fd/${way.at(-1)}/${name}`;
      way.push(openSync(at, O_PATH | constants.O_NOFOLLOW));
      const found = fstatSync(way.at(-1)!);
      if (found.isSymbolicLink()) {
        closeSync(way.pop()!);
        links += 1;
        if (links > MOST_LINKS) return undefined;
        const target = readlinkSync(at);
        if (target.startsWith('/')) while (way.length > 1) closeSync(way.pop()!);
        names.unshift(...namesOf(target));
      } else if (names.length > 0 && !found.isDirectory()) return undefined;
    }
    return way.pop();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // EINVAL: it is no link any more.
    if (NOTHING.has(code) || code === 'EINVAL') return undefined;
    throw error;
  } finally {
    for (const fd of way) closeSync(fd);
  }
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}
