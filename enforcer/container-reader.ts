import { closeSync, type FSWatcher, fstatSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import { devicesOf } from '../bpf/executable.ts';
import { mountIdOf } from '../host/descriptor.ts';
import { closeInit, type ContainerInit, findInit, isAlive } from './container-init.ts';
import type { FileNumber } from './executable-entry.ts';
import { HeldPath } from './held-path.ts';
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
  now: FileNumber | undefined;
  deleted: readonly FileNumber[];
}

interface HeldFile extends FileNumber {
  fd: number;
}

interface Held {
  init: ContainerInit;
  /** Of its root directory. */
  rootMount: number;
  rootDevice: number | undefined;
  files: Map<string, HeldPath<HeldFile>>;
  end: FSWatcher;
}

/**
 * Looks at the files of containers. They are their own: it may take for ever, so that it must not run where anything
 * waits for it. What is open there goes as soon as the last process of the container has gone, before its runtime
 * removes the files.
 */
export class ContainerReader {
  readonly #held = new Map<string, Held>();

  /** Throws what the system says when it can't be told which file a path means. */
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
      const found = new Map(files.map((file) => [file, lookAt(held, file)] as const));
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
    const rootMount = mountIdOf(init.root);
    const held: Held = {
      init,
      rootMount,
      rootDevice: devicesFor(init).get(rootMount),
      files: new Map(),
      end,
    };
    this.#held.set(path, held);
    return held;
  }

  #forget(path: string): void {
    const { end, files, init } = this.#held.get(path)!;
    this.#held.delete(path);
    end.close();
    closeInit(init);
    for (const held of files.values()) held.close();
  }
}

function lookAt(held: Held, path: string): FoundFile {
  const known = held.files.get(path) ?? new HeldPath<HeldFile>();
  held.files.set(path, known);
  const found = openFile(held, path);
  const before = known.now;
  if (found && before && found.inode === before.inode && found.device === before.device) closeSync(found.fd);
  else for (const { fd } of known.replace(found)) closeSync(fd);
  return { now: known.now && numberOf(known.now), deleted: known.deleted.map(numberOf) };
}

function numberOf({ device, inode }: HeldFile): FileNumber {
  return { device, inode };
}

function openFile(held: Held, path: string): HeldFile | undefined {
  const fd = openInRoot(held.init.root, path);
  if (fd === undefined) return undefined;
  let device: number | undefined;
  try {
    const stat = fstatSync(fd, { bigint: true });
    const mount = mountIdOf(fd);
    // Its first process may have another root by now, from where the mount of the first can't be seen.
    device = mount === held.rootMount ? held.rootDevice : devicesFor(held.init).get(mount);
    if (stat.isFile() && device !== undefined) return { fd, device, inode: stat.ino };
    if (stat.isFile()) throw new Error(`the mount of ${path} cannot be seen`);
    device = undefined;
  } finally {
    if (device === undefined) closeSync(fd);
  }
  return undefined;
}

function devicesFor({ process }: ContainerInit): Map<number, number> {
  return devicesOf(readFileSync(`/proc/self/fd/${process}/mountinfo`, 'utf8'));
}

function isEmpty(events: string): boolean {
  try {
    return /^populated 0$/m.test(readFileSync(events, 'utf8'));
  } catch {
    return true;
  }
}
