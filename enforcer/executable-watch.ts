import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import type { Egress } from '../bpf/egress.ts';
import { identifyExecutable, type Executable } from '../bpf/executable.ts';
import { O_PATH } from '../host/descriptor.ts';
import type { Box } from '../policy/policy.ts';
import { replaceSubjectEntries } from './apply.ts';
import { compileExecutables, hostPaths } from './executable-entry.ts';
import { HeldPath } from './held-path.ts';
import type { SubjectEntry } from './subject-entry.ts';

/** What became of an executable that the policy names. */
export interface ExecutableChange {
  path: string;
  change: 'replaced' | 'appeared' | 'vanished';
}

interface HeldFile {
  executable: Executable;
  fd: number;
  /** As stat() has it. */
  key: string;
}

/**
 * The executables of the host in the policy in force, followed as their paths come to mean other files: when a package is upgraded,
 * say. A file that was deleted keeps its rules, because what runs it goes on running it; nothing else can be started
 * from it. One that lies elsewhere now loses them, and so does the oldest of many.
 */
export class ExecutableWatch implements Disposable {
  readonly #egress: Egress;
  readonly #boxes: readonly Box[];
  readonly #files = new Map<string, HeldPath<HeldFile>>();
  #entries: readonly SubjectEntry[];

  /** `boxes` are about to be put in force, with `resolve` to find the files. */
  constructor(egress: Egress, boxes: readonly Box[]) {
    this.#egress = egress;
    this.#boxes = boxes;
    for (const path of hostPaths(boxes)) {
      this.#files.set(path, new HeldPath(hold(path)));
    }
    this.#entries = this.#compile();
  }

  /** The file that a path means. */
  resolve(path: string): Executable | undefined {
    return this.#files.get(path)?.now?.executable;
  }

  /** Paths that mean no file at present. */
  get missing(): string[] {
    return [...this.#files].filter(([, { now }]) => !now).map(([path]) => path);
  }

  /** Looks at every path, and tells the kernel side what has changed. */
  look(): ExecutableChange[] {
    const changes: ExecutableChange[] = [];
    const dropped: HeldFile[] = [];
    for (const [path, files] of this.#files) {
      const before = files.now;
      if (keyOf(path) === before?.key) continue;
      const now = hold(path);
      if (now?.key === before?.key) {
        if (now) closeSync(now.fd);
        continue;
      }
      dropped.push(...files.replace(now));
      changes.push({ path, change: !before ? 'appeared' : now ? 'replaced' : 'vanished' });
    }
    if (changes.length > 0) {
      const entries = this.#compile();
      replaceSubjectEntries(this.#egress, this.#entries, entries);
      this.#entries = entries;
    }
    // Not before the kernel side has forgotten their numbers.
    for (const { fd } of dropped) closeSync(fd);
    return changes;
  }

  [Symbol.dispose](): void {
    for (const files of this.#files.values()) files.close();
    this.#files.clear();
  }

  #compile(): SubjectEntry[] {
    return compileExecutables(this.#boxes, (path) =>
      this.#files.get(path)!.all.map(({ executable }) => executable),
    );
  }
}

function hold(path: string): HeldFile | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | O_PATH);
  } catch {
    return undefined;
  }
  const { dev, ino } = fstatSync(fd, { bigint: true });
  const executable = identifyExecutable(path);
  if (executable && executable.inode === ino) return { executable, fd, key: `${dev}:${ino}` };
  closeSync(fd);
  return undefined;
}

function keyOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
