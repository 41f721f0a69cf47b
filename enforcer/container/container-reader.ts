import { closeSync, type FSWatcher, fstatSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import { closeInit, type ContainerInit, findInit, isAlive } from './container-init.ts';
import { HeldPath } from '../held-path.ts';
import { openInRoot } from './in-root.ts';

/** What a container's files are asked for. */
export interface Question {
  /** The container's cgroup: its path in the hierarchy, and its directory. */
  path: string;
  directory: string;
  /** Absolute, as the container sees them. */
  files: readonly string[];
}

/** Undefined while the container has no process, or none with files of its own. */
export type Answer = { mountNamespace: number; files: Map<string, FoundFile> } | undefined;

/** The file that a path means, and deleted ones that it meant before: what runs them goes on. */
export interface FoundFile {
  now: OpenedFile | undefined;
  deleted: readonly OpenedFile[];
}

/** A file that the reader holds open: the kernel identifies it by the descriptor. */
export interface OpenedFile {
  fd: number;
  inode: bigint;
  /** Of this opening, among all of this reader: a descriptor's number is used again. */
  serial: number;
  /** When it was changed last, nanoseconds since 1970. */
  changed: bigint;
}

interface HeldFile extends OpenedFile {
  device: bigint;
}

interface Held {
  init: ContainerInit;
  files: Map<string, HeldPath<HeldFile>>;
  end: FSWatcher;
}

/**
 * Looks at the files of containers. They are their own: it may take for ever, so that it must not run where
 * anything waits for it. What is open there goes as soon as the last process of the container has gone,
 * before its runtime removes the files.
 */
export class ContainerReader {
  readonly #held = new Map<string, Held>();
  #opened = 0;

  /** Throws the system's error when it is unknown which file a path means. */
  answer({ directory, files, path }: Question): Answer {
    let held = this.#held.get(path);
    if (held && !isAlive(held.init)) {
      this.#forget(path);
      held = undefined;
    }
    held ??= this.#hold(path, directory);
    if (!held) return undefined;
    const { init } = held;
    try {
      const found = new Map(files.map((file) => [file, this.#lookAt(held, file)] as const));
      return { mountNamespace: init.mountNamespace, files: found };
    } catch (error) {
      if (isAlive(init)) throw error;
      this.#forget(path);
      return undefined;
    }
  }

  /** Closes everything. */
  close(): void {
    for (const path of this.#held.keys()) this.#forget(path);
  }

  #hold(path: string, directory: string): Held | undefined {
    const init = findInit(directory, path);
    if (!init) return undefined;
    const events = join(directory, 'cgroup.events');
    const end = watch(events, { persistent: false }, () => {
      if (isEmpty(events) && this.#held.get(path)?.end === end) this.#forget(path);
    });
    end.on('error', () => {});
    const held: Held = { init, files: new Map(), end };
    this.#held.set(path, held);
    return held;
  }

  #lookAt(held: Held, path: string): FoundFile {
    const known = held.files.get(path) ?? new HeldPath<HeldFile>();
    held.files.set(path, known);
    const found = this.#open(held.init.root, path);
    const before = known.now;
    if (found && before && found.inode === before.inode && found.device === before.device) {
      closeSync(found.fd);
      before.changed = found.changed;
    } else for (const { fd } of known.replace(found)) closeSync(fd);
    return { now: known.now && whatIsTold(known.now), deleted: known.deleted.map(whatIsTold) };
  }

  #open(root: number, path: string): HeldFile | undefined {
    const fd = openInRoot(root, path);
    if (fd === undefined) return undefined;
    const found = fstatSync(fd, { bigint: true });
    if (!found.isFile()) {
      closeSync(fd);
      return undefined;
    }
    this.#opened += 1;
    return { fd, device: found.dev, inode: found.ino, serial: this.#opened, changed: found.ctimeNs };
  }

  #forget(path: string): void {
    const { end, files, init } = this.#held.get(path)!;
    this.#held.delete(path);
    end.close();
    closeInit(init);
    for (const held of files.values()) held.close();
  }
}

function whatIsTold({ changed, fd, inode, serial }: HeldFile): OpenedFile {
  return { changed, fd, inode, serial };
}

function isEmpty(events: string): boolean {
  try {
    return /^populated 0$/m.test(readFileSync(events, 'utf8'));
  } catch {
    return true;
  }
}
