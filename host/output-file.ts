import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
  type Stats,
  unlinkSync,
} from 'node:fs';
import { pathOf } from './descriptor.ts';
import { followPath, type Found } from './path-walk.ts';
import { systemError } from './system-error.ts';
import { closeFound, readWhole } from './trusted-file.ts';
import { isTrusted, standingOf, untrusted } from './trust.ts';

const NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
const MODE = 0o666;

/**
 * A file that is to be written where the user says, also in a directory of another user: no link that others
 * can have made is followed, and nothing that lies there is opened. A regular file appears whole or not at
 * all.
 */
export class OutputFile {
  readonly #found: Found;
  readonly #name: string;
  /** What has been begun and not been put in place. */
  readonly #begun = new Set<string>();

  private constructor(found: Found, name: string) {
    this.#found = found;
    this.#name = name;
  }

  /** Throws BouhekiError `untrusted`, or what the system says. */
  static at(path: string): OutputFile {
    const found = followPath(path, 'any');
    try {
      const [name, ...below] = found.names;
      if (name === undefined || found.entry?.stats.isDirectory())
        throw systemError('EISDIR', `${path} is a directory`);
      if (below.length > 0)
        throw systemError('ENOENT', `there is no directory ${found.directory.path}/${name}`);
      if (!found.given) refusePlanted(path, found);
      return new OutputFile(found, name);
    } catch (error) {
      closeFound(found);
      throw error;
    }
  }

  /** Whether a file is there, which will be replaced. */
  get replaces(): boolean {
    return this.#old !== undefined;
  }

  /** What the file that will be replaced holds, empty where there is none. Throws when that is more than `most` bytes. */
  read(most: number): Buffer {
    if (!this.replaces) return Buffer.alloc(0);
    const fd = openSync(pathOf(this.#found.entry!.fd), constants.O_RDONLY);
    try {
      return readWhole(fd, most);
    } finally {
      closeSync(fd);
    }
  }

  /** The file that is there and will be replaced. */
  get #old(): Stats | undefined {
    const stats = this.#found.entry?.stats;
    return stats?.isFile() === true && !this.#found.given ? stats : undefined;
  }

  /**
   * A descriptor of the device or pipe that is there, which is written to; undefined where a file is to be
   * replaced.
   */
  openDevice(): number | undefined {
    const { entry, given } = this.#found;
    if (entry === undefined || (entry.stats.isFile() && !given)) return undefined;
    return openSync(pathOf(entry.fd), constants.O_WRONLY | constants.O_NOCTTY);
  }

  /**
   * Makes the file that is to take its place: with this mode, or else the owner and mode of the one that is
   * there.
   */
  begin(mode?: number): { fd: number; put(): void } {
    const { directory } = this.#found;
    const temporary = `.${this.#name}.${randomBytes(6).toString('hex')}.tmp`;
    const fd = openSync(`${pathOf(directory.fd)}/${temporary}`, NEW, mode ?? MODE);
    this.#begun.add(temporary);
    const put = (): void => {
      if (mode === undefined && this.#old !== undefined) {
        if (process.geteuid?.() === 0) fchownSync(fd, this.#old.uid, this.#old.gid);
        fchmodSync(fd, this.#old.mode & 0o777);
      }
      renameSync(`${pathOf(directory.fd)}/${temporary}`, this.#target);
      this.#begun.delete(temporary);
    };
    return { fd, put };
  }

  /**
   * A directory beside it that no other user can read, for what must be written by name; `put` moves one of
   * the names in it into place.
   */
  workshop(): { at(name: string): string; put(name: string): void; [Symbol.dispose](): void } {
    const { directory } = this.#found;
    const place = `${pathOf(directory.fd)}/.${this.#name}.${randomBytes(6).toString('hex')}.tmp`;
    mkdirSync(place, 0o700);
    const fd = openSync(place, constants.O_DIRECTORY | constants.O_NOFOLLOW);
    const stats = fstatSync(fd);
    if (stats.uid !== process.geteuid?.() || standingOf(stats) !== 'closed') {
      closeSync(fd);
      throw systemError('EEXIST', `${directory.path} was changed by another program meanwhile`);
    }
    const names = new Set<string>();
    return {
      at: (name) => {
        names.add(name);
        return `${pathOf(fd)}/${name}`;
      },
      put: (name) => renameSync(`${pathOf(fd)}/${name}`, this.#target),
      [Symbol.dispose]: () => {
        for (const name of names) rmSync(`${pathOf(fd)}/${name}`, { recursive: true, force: true });
        closeSync(fd);
        // By name, but a link or a directory with something in it stays.
        attempt(() => rmdirSync(place));
      },
    };
  }

  [Symbol.dispose](): void {
    for (const name of this.#begun) attempt(() => unlinkSync(`${pathOf(this.#found.directory.fd)}/${name}`));
    closeFound(this.#found);
  }

  get #target(): string {
    return `${pathOf(this.#found.directory.fd)}/${this.#name}`;
  }
}

/**
 * Throws for a file that another user has put where every user can, and for another's pipe or device
 * anywhere.
 */
function refusePlanted(path: string, { directory, entry }: Found): void {
  if (entry === undefined) return;
  const { stats } = entry;
  const standing = standingOf(directory.stats);
  const other = !isTrusted(stats.uid);
  if (standing === 'shared' && other) throw untrusted(path, path, `belongs to uid ${stats.uid}`);
  if (stats.isFile() || standing === 'closed') return;
  if (other || standing === 'open') {
    throw untrusted(path, path, `is no regular file, and uid ${stats.uid} or others can have put it there`);
  }
}

function attempt(work: () => void): void {
  try {
    work();
  } catch {
    // A user who may write the directory was faster.
  }
}
