import { closeSync, fstatSync, openSync, statSync, type BigIntStats } from 'node:fs';
import type { Egress } from '../bpf/egress.ts';
import type { FileObject } from '../bpf/executable.ts';
import { O_PATH } from '../host/descriptor.ts';
import type { Box } from '../policy/meaning/policy.ts';
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
  fd: number;
  /** What identifies it to stat(): another one never has the same while this one is held. */
  key: string;
  /** When it was changed last, for stat(). */
  changed: bigint;
  file: FileObject | undefined;
}

/**
 * The executables of the host in the policy in force, followed as their paths come to mean other files: when
 * a package is upgraded, say. A file that was deleted keeps its rules, because what runs it goes on running
 * it; nothing else can be started from it. One that lies elsewhere now loses them, and so does the oldest of
 * many.
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
    this.#identify();
    this.#entries = this.#compile();
  }

  /** The file that a path means. */
  resolve(path: string): FileObject | undefined {
    return this.#files.get(path)?.now?.file;
  }

  /** Paths that mean no file at present. */
  get missing(): string[] {
    return [...this.#files].filter(([, { now }]) => !now).map(([path]) => path);
  }

  /** Looks at every path, and writes changes to the kernel side. */
  look(): ExecutableChange[] {
    const changes: ExecutableChange[] = [];
    const dropped: HeldFile[] = [];
    let touched = false;
    for (const [path, files] of this.#files) {
      const before = files.now;
      const found = stat(path);
      if (found && before && fileKey(found) === before.key) {
        touched ||= found.ctimeNs !== before.changed;
        before.changed = found.ctimeNs;
      } else if (found || before) {
        const now = holdOther(path, before);
        if (now === 'same') continue;
        dropped.push(...files.replace(now));
        changes.push({ path, change: !before ? 'appeared' : now ? 'replaced' : 'vanished' });
      }
    }
    if (changes.length > 0 || touched) {
      this.#identify();
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

  /** Asks the kernel which files they are, where that is not known or may have changed: see object_of(). */
  #identify(): void {
    const held = [...this.#files.values()].flatMap((files) => files.all);
    if (held.length === 0) return;
    const open = new Map(this.#egress.openFiles().flatMap((file) => (file.own ? [[file.fd, file]] : [])));
    for (const each of held) {
      const file = open.get(each.fd);
      if (!file) throw new Error(`the kernel does not show the descriptor ${each.fd}`);
      each.file = file;
    }
  }

  #compile(): SubjectEntry[] {
    return compileExecutables(this.#boxes, (path) =>
      this.#files.get(path)!.all.flatMap(({ file }) => file ?? []),
    );
  }
}

/** What the path means now, if that is not what is held. */
function holdOther(path: string, before: HeldFile | undefined): HeldFile | 'same' | undefined {
  const now = hold(path);
  if (now?.key !== before?.key) return now;
  if (now) closeSync(now.fd);
  return 'same';
}

function hold(path: string): HeldFile | undefined {
  let fd: number;
  try {
    fd = openSync(path, O_PATH);
  } catch {
    return undefined;
  }
  const found = fstatSync(fd, { bigint: true });
  if (found.isFile()) return { fd, key: fileKey(found), changed: found.ctimeNs, file: undefined };
  closeSync(fd);
  return undefined;
}

function stat(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return undefined;
  }
}

function fileKey({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}
