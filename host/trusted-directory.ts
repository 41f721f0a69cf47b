import { closeSync, constants, fstatSync, mkdirSync, openSync, readFileSync, type Stats } from 'node:fs';
import { O_PATH, pathOf } from './descriptor.ts';
import { followPath, type Found } from './path-walk.ts';
import { closeFound } from './trusted-file.ts';
import { systemError } from './system-error.ts';
import { faultOf, mendOf, standingOf, untrusted } from './trust.ts';

/**
 * A directory in which root and the caller alone can change names, held open. Its path has no links, and
 * since the same goes for every directory above it, that path means this directory for code that must open
 * files by name.
 */
export class TrustedDirectory {
  readonly fd: number;
  readonly path: string;

  private constructor(fd: number, path: string) {
    this.fd = fd;
    this.path = path;
  }

  /**
   * The directory that a file lies in or would lie in, and its name there, with links followed. With `make`,
   * directories that are missing are made, for their owner alone. Throws BouhekiError `untrusted`, or what
   * the system says.
   */
  static around(path: string, make: 'make' | 'find' = 'find'): { directory: TrustedDirectory; name: string } {
    for (;;) {
      const found = followPath(path);
      try {
        const [name, ...below] = found.names;
        if (name === undefined) throw systemError('EISDIR', `${path} is a directory`);
        if (below.length === 0) {
          const { directory } = found;
          assertClosed(path, directory);
          return {
            directory: new TrustedDirectory(openSync(pathOf(directory.fd), DIRECTORY), directory.path),
            name,
          };
        }
        if (make === 'find') throw systemError('ENOENT', `there is no ${found.directory.path}/${name}`);
        makeDirectory(path, found, name);
      } finally {
        closeFound(found);
      }
    }
  }

  /**
   * A path to a name in it that holds whatever happens to the directory's own names, as long as this is open.
   */
  at(name: string): string {
    return `${pathOf(this.fd)}/${name}`;
  }

  /** What lies there, no link followed; undefined where nothing does. */
  look(name: string): Stats | undefined {
    const fd = this.#open(name, O_PATH);
    if (fd === undefined) return undefined;
    try {
      return fstatSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  /**
   * What lies there, if anything: a file of a trusted user that others can't write. Throws BouhekiError
   * `untrusted` when it is another's, and an error when it is `otherwise` than a regular file (or a socket,
   * where one is expected).
   */
  check(name: string, kind: 'file' | 'socket'): Stats | undefined {
    const stats = this.look(name);
    if (stats === undefined) return undefined;
    const place = `${this.path === '/' ? '' : this.path}/${name}`;
    if (!(kind === 'file' ? stats.isFile() : stats.isSocket())) {
      const what = stats.isDirectory() ? 'a directory' : kind === 'file' ? 'no regular file' : 'no socket';
      throw systemError(stats.isDirectory() ? 'EISDIR' : 'EINVAL', `${place} is ${what}`);
    }
    const fault = faultOf(stats);
    if (fault !== undefined) throw untrusted(place, place, fault, mendOf(stats, place));
    return stats;
  }

  /** The text of a small file of a trusted user; undefined where there is none. Throws as `check`. */
  readText(name: string): string | undefined {
    if (this.check(name, 'file') === undefined) return undefined;
    const fd = this.#open(name, constants.O_RDONLY | constants.O_NONBLOCK);
    if (fd === undefined) return undefined;
    try {
      return readFileSync(fd, 'utf8');
    } finally {
      closeSync(fd);
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }

  #open(name: string, flags: number): number | undefined {
    try {
      return openSync(this.at(name), flags | constants.O_NOFOLLOW);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }
}

const DIRECTORY = O_PATH | constants.O_DIRECTORY;

function assertClosed(path: string, { path: place, stats }: Found['directory']): void {
  if (standingOf(stats) === 'closed') return;
  throw untrusted(path, place, faultOf(stats)!, mendOf(stats, place));
}

function makeDirectory(path: string, { directory }: Found, name: string): void {
  try {
    mkdirSync(`${pathOf(directory.fd)}/${name}`, 0o700);
  } catch (error) {
    // Another process was faster; the next walk checks whether it can be trusted.
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    throw systemError(
      (error as NodeJS.ErrnoException).code ?? 'EIO',
      `cannot make the directory ${directory.path}/${name} for ${path}`,
    );
  }
}
