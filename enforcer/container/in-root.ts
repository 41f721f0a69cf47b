import { closeSync, constants, fstatSync, openSync, readlinkSync, type Stats } from 'node:fs';
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
  const way = new Way(root);
  const names = namesOf(path);
  let links = 0;
  try {
    while (names.length > 0) {
      const name = names.shift()!;
      if (name === '..') {
        way.back();
        continue;
      }
      const { found, target } = way.enter(name);
      if (target !== undefined) {
        links += 1;
        if (links > MOST_LINKS) return undefined;
        if (target.startsWith('/')) way.toRoot();
        names.unshift(...namesOf(target));
      } else if (names.length > 0 && !found.isDirectory()) return undefined;
    }
    return way.take();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // EINVAL: it is no link any more.
    if (NOTHING.has(code) || code === 'EINVAL') return undefined;
    throw error;
  } finally {
    way.close();
  }
}

/** Every directory on the way, open, so that `..` is a step back and no question to a file system. */
class Way {
  readonly #fds: number[];

  constructor(root: number) {
    this.#fds = [openSync(`/proc/self/fd/${root}`, O_PATH)];
  }

  /** A step down. A link is not stepped on: what it says is returned. */
  enter(name: string): { found: Stats; target?: string } {
    const at = `/proc/self/fd/${this.#fds.at(-1)}/${name}`;
    this.#fds.push(openSync(at, O_PATH | constants.O_NOFOLLOW));
    const found = fstatSync(this.#fds.at(-1)!);
    if (!found.isSymbolicLink()) return { found };
    this.back();
    return { found, target: readlinkSync(at) };
  }

  /** A step up; the root has nothing above it. */
  back(): void {
    if (this.#fds.length > 1) closeSync(this.#fds.pop()!);
  }

  toRoot(): void {
    while (this.#fds.length > 1) this.back();
  }

  /** Hands the end of the way over to the caller. */
  take(): number | undefined {
    return this.#fds.pop();
  }

  close(): void {
    for (const fd of this.#fds) closeSync(fd);
  }
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}
