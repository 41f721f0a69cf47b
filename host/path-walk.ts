import { closeSync, constants, fstatSync, openSync, readlinkSync, type Stats } from 'node:fs';
import { resolve } from 'node:path';
import { mountIdOf, O_PATH, pathOf } from './descriptor.ts';
import { systemError } from './system-error.ts';
import { everybodyMayWrite, faultOf, isTrusted, mendOf, mounterOf, standingOf, untrusted } from './trust.ts';

/** As the kernel has it (path_resolution(7)). */
const MOST_LINKS = 40;

/**
 * Something on the way, held open with O_PATH: no name is looked at twice, so nothing can be swapped
 * meanwhile.
 */
interface Step {
  fd: number;
  name: string;
  stats: Stats;
  mount: number;
}

/** What a path leads to. The descriptors belong to the caller. */
export interface Found {
  /** The innermost directory that there is. */
  directory: { fd: number; path: string; stats: Stats };
  /** The names below it: one, or more where directories are missing. */
  names: string[];
  /** What lies there, a link never; undefined when there is nothing. */
  entry: { fd: number; stats: Stats } | undefined;
  /** It is a descriptor that this process was started with, such as standard input: the caller's choice. */
  given: boolean;
}

/**
 * Whether directories may be entered where others can change names: `never`; `group`, those of root or the
 * caller that a group may write, as /var/log is in places; or `any`. Neither does harm where what is written
 * is another's business, as long as no link in them is followed.
 */
export type Entering = 'never' | 'group' | 'any';

/**
 * Follows a path from the root, name by name. A directory must belong to root or the caller and be writable
 * by them alone, or have the sticky bit; a link must be theirs as well. Throws BouhekiError `untrusted`, or
 * what the system says.
 */
export function followPath(path: string, entering: Entering = 'never'): Found {
  return new PathWalk(path, entering).run();
}

class PathWalk {
  readonly #path: string;
  readonly #entering: Entering;
  readonly #names: string[];
  /** Every directory from the root on, so that `..` is a step back and no question to a file system. */
  readonly #way: Step[] = [];
  #links = 0;

  constructor(path: string, entering: Entering) {
    this.#path = path;
    this.#entering = entering;
    this.#names = namesOf(resolve(path));
  }

  run(): Found {
    try {
      this.#way.push(this.#open('/', '', undefined));
      for (;;) {
        const found = this.#step();
        if (found !== undefined) return found;
      }
    } finally {
      for (const { fd } of this.#way) closeSync(fd);
    }
  }

  #step(): Found | undefined {
    const name = this.#names.shift();
    // The root, or a link that leads to a directory by `..`.
    if (name === undefined) return this.#end(this.#way.length > 1 ? this.#way.pop() : undefined);
    if (name === '..') {
      if (this.#way.length > 1) closeSync(this.#way.pop()!.fd);
      return undefined;
    }
    const directory = this.#way.at(-1)!;
    this.#admit(directory);
    if (this.#isOwnDescriptors() && /^\d+$/.test(name)) return this.#given(name);
    let step: Step;
    try {
      step = this.#open(`${pathOf(directory.fd)}/${name}`, name, directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return this.#end(undefined, [name, ...this.#names]);
    }
    if (step.stats.isSymbolicLink()) this.#followLink(step, directory);
    else if (this.#names.length === 0) return this.#end(step);
    else if (step.stats.isDirectory()) this.#way.push(step);
    else {
      closeSync(step.fd);
      throw systemError('ENOTDIR', `${this.#place(name)} is not a directory`);
    }
    return undefined;
  }

  #open(at: string, name: string, above: Step | undefined): Step {
    const fd = this.#openPath(at, name);
    try {
      const mount = mountIdOf(fd);
      // Before anything is asked of a file system that its user may never let answer.
      const mounter = above === undefined || mount === above.mount ? undefined : mounterOf(mount);
      if (mounter !== undefined && !isTrusted(mounter)) {
        throw untrusted(this.#path, this.#place(name), `is a file system that uid ${mounter} has mounted`);
      }
      return { fd, name, mount, stats: fstatSync(fd) };
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** O_PATH alone would find the empty place where an automounter has yet to mount a directory. */
  #openPath(at: string, name: string): number {
    const flags = O_PATH | constants.O_NOFOLLOW;
    try {
      if (this.#names.length > 0) return openSync(at, flags | constants.O_DIRECTORY);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOTDIR') throw this.#told(error, at, name);
    }
    try {
      return openSync(at, flags);
    } catch (error) {
      throw this.#told(error, at, name);
    }
  }

  /** The system's error, of the path that the user knows. */
  #told(error: unknown, at: string, name: string): Error {
    const { code, message } = error as NodeJS.ErrnoException;
    return Object.assign(new Error(message.replace(at, this.#place(name)), { cause: error }), { code });
  }

  /** Throws when names in this directory can't be relied on. */
  #admit({ stats }: Step): void {
    if (standingOf(stats) !== 'open' || this.#entering === 'any') return;
    if (this.#entering === 'group' && isTrusted(stats.uid) && !everybodyMayWrite(stats)) return;
    const place = this.#place();
    throw untrusted(this.#path, place, faultOf(stats)!, mendOf(stats, place));
  }

  #followLink(link: Step, directory: Step): void {
    try {
      const place = this.#place(link.name);
      const standing = standingOf(directory.stats);
      if (!isTrusted(link.stats.uid) || standing === 'open') {
        throw untrusted(this.#path, place, `is a link that uid ${link.stats.uid} or others can have made`);
      }
      // Others may have given a link of ours one more name, where the kernel does not keep them from it.
      if (standing === 'shared' && link.stats.nlink > 1) throw untrusted(this.#path, place, 'is a hard link');
      this.#links += 1;
      if (this.#links > MOST_LINKS) throw systemError('ELOOP', `${place}: too many links`);
      // By name, which no other user can change here.
      const target = readlinkSync(`${pathOf(directory.fd)}/${link.name}`);
      if (target.startsWith('/')) while (this.#way.length > 1) closeSync(this.#way.pop()!.fd);
      this.#names.unshift(...namesOf(target));
    } finally {
      closeSync(link.fd);
    }
  }

  /** `/proc/PID/fd` of this process: /dev/stdin and what a shell makes of `<(...)` lead there. */
  #isOwnDescriptors(): boolean {
    return this.#place() === `/proc/${process.pid}/fd`;
  }

  #given(name: string): Found {
    const fd = openSync(pathOf(Number(name)), O_PATH);
    return { ...this.#end({ fd, name, mount: 0, stats: fstatSync(fd) }), given: true };
  }

  #end(entry: Step | undefined, names: string[] = entry ? [entry.name] : []): Found {
    const path = this.#place();
    const { fd, stats } = this.#way.pop()!;
    return { directory: { fd, path, stats }, names, entry, given: false };
  }

  /** The path without links of the innermost directory, or of a name in it. */
  #place(name?: string): string {
    const names = [...this.#way.slice(1).map((step) => step.name), ...(name ? [name] : [])];
    return `/${names.join('/')}`;
  }
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}
