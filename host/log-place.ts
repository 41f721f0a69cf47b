import { closeSync, constants, fchmodSync, openSync } from 'node:fs';
import { O_PATH, pathOf } from './descriptor.ts';
import { followPath, type Found } from './path-walk.ts';
import { systemError } from './system-error.ts';
import { closeFound } from './trusted-file.ts';
import { isTrusted, standingOf, untrusted } from './trust.ts';

const NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;

/**
 * A log that is to be continued, held open, and made where there is none. In a directory that others can
 * write it must be a file of root or the caller under that one name: lines of root's must not get into what
 * others have put there.
 */
export class LogPlace {
  /** A path to it that no other user can redirect while this is open. */
  readonly path: string;
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
    this.path = pathOf(fd);
  }

  /** `mode` is for a file that is made. Throws BouhekiError `untrusted`, or what the system says. */
  static open(path: string, mode: number): LogPlace {
    const found = followPath(path, 'group');
    try {
      if (found.entry === undefined) return new LogPlace(make(found, mode));
      if (!found.given) refusePlanted(path, found);
      return new LogPlace(openSync(pathOf(found.entry.fd), O_PATH));
    } finally {
      closeFound(found);
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

function make({ directory, names: [name, ...below] }: Found, mode: number): number {
  if (name === undefined || below.length > 0)
    throw systemError('ENOENT', `there is no ${directory.path}/${name}`);
  const fd = openSync(`${pathOf(directory.fd)}/${name}`, NEW, mode);
  // While a record is being written the umask takes a new file from the group; the log is for its readers.
  fchmodSync(fd, mode);
  return fd;
}

function refusePlanted(path: string, { directory, entry }: Found): void {
  if (standingOf(directory.stats) === 'closed') return;
  const { stats } = entry!;
  if (!isTrusted(stats.uid)) throw untrusted(path, path, `belongs to uid ${stats.uid}`);
  if (!stats.isFile() || stats.nlink > 1) {
    throw untrusted(path, path, 'is a hard link, or no regular file, in a directory that others can write');
  }
}
