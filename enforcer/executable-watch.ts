import { closeSync, fstatSync, openSync, statSync, type BigIntStats } from 'node:fs';
import { BouhekiError } from '../error/error.ts';
import type { Egress } from '../bpf/egress.ts';
import type { FileObject } from '../bpf/executable.ts';
import { O_PATH } from '../host/descriptor.ts';
import { expandPattern, type Expansion, openMatch } from '../host/path-pattern.ts';
import type { Box } from '../policy/meaning/policy.ts';
import { isFindable, isGlob, matchesGlob } from '../policy/value/name.ts';
import { replaceSubjectEntries } from './apply.ts';
import { compileExecutables, hostPaths } from './executable-entry.ts';
import { HeldPath } from './held-path.ts';
import type { SubjectEntry } from './subject-entry.ts';
import { compileScripts } from './subject.ts';

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
 * many. A pattern is followed as files that match it come and go, and so are scripts: those by their paths alone.
 */
export class ExecutableWatch implements Disposable {
  readonly #egress: Egress;
  readonly #boxes: readonly Box[];
  readonly #files = new Map<string, HeldPath<HeldFile>>();
  readonly #patterns = new Map<string, PatternFiles>();
  readonly #scripts = new Map<string, PatternPaths>();
  #entries: readonly SubjectEntry[];

  /**
   * `boxes` are about to be put in force, with `resolve` and `scripts` to find the files. Throws BouhekiError
   * `untrusted` for a pattern in a directory that others than root can write.
   */
  constructor(egress: Egress, boxes: readonly Box[]) {
    this.#egress = egress;
    this.#boxes = boxes;
    // Before anything is open.
    for (const pattern of scriptPatterns(boxes)) this.#scripts.set(pattern, new PatternPaths(pattern));
    const patterns = hostPaths(boxes)
      .filter(isGlob)
      .map((pattern) => new PatternPaths(pattern));
    for (const paths of patterns) this.#patterns.set(paths.pattern, new PatternFiles(paths));
    for (const path of hostPaths(boxes)) {
      if (!isGlob(path)) this.#files.set(path, new HeldPath(hold(path)));
    }
    this.#identify();
    this.#entries = this.#compile();
  }

  /** The file that a path means, or those that a pattern does. */
  resolve(path: string): FileObject | readonly FileObject[] | undefined {
    const matched = this.#patterns.get(path)?.held;
    if (matched) return matched.flatMap(({ now }) => now?.file ?? []);
    return this.#files.get(path)?.now?.file;
  }

  /** The scripts that a pattern means. */
  readonly scripts = (pattern: string): readonly string[] => this.#scripts.get(pattern)?.paths ?? [];

  /** Paths and patterns that mean no file at present. */
  get missing(): string[] {
    return [
      ...[...this.#files].filter(([, { now }]) => !now).map(([path]) => path),
      ...[...this.#patterns.values(), ...this.#scripts.values()]
        .filter(({ paths }) => paths.length === 0)
        .map(({ pattern }) => pattern),
    ];
  }

  /** What keeps patterns from being followed, and directories that are passed over. */
  get faults(): string[] {
    return [...this.#patterns.values(), ...this.#scripts.values()].flatMap(({ faults }) => faults);
  }

  /** Looks at every path, and writes changes to the kernel side. */
  look(): ExecutableChange[] {
    const changes: ExecutableChange[] = [];
    const dropped: HeldFile[] = [];
    let touched = false;
    const looks = [
      ...[...this.#files].map(([path, files]) => lookAt(path, files, hold)),
      ...[...this.#patterns.values()].flatMap((pattern) => pattern.look()),
    ];
    for (const look of looks) {
      touched ||= look.touched;
      dropped.push(...look.dropped);
      if (look.change) changes.push(look.change);
    }
    for (const paths of this.#scripts.values()) touched = paths.look() || touched;
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
    for (const pattern of this.#patterns.values()) pattern.close();
    this.#files.clear();
    this.#patterns.clear();
  }

  /** Asks the kernel which files they are, where that is not known or may have changed: see object_of(). */
  #identify(): void {
    const matched = [...this.#patterns.values()].flatMap((pattern) => pattern.held);
    const held = [...this.#files.values(), ...matched].flatMap((files) => files.all);
    if (held.length === 0) return;
    const open = new Map(this.#egress.openFiles().flatMap((file) => (file.own ? [[file.fd, file]] : [])));
    for (const each of held) {
      const file = open.get(each.fd);
      if (!file) throw new Error(`the kernel does not show the descriptor ${each.fd}`);
      each.file = file;
    }
  }

  #compile(): SubjectEntry[] {
    const heldBy = (path: string) => this.#patterns.get(path)?.held ?? [this.#files.get(path)!];
    const files = compileExecutables(this.#boxes, (path) =>
      heldBy(path).flatMap(({ all }) => all.flatMap(({ file }) => file ?? [])),
    );
    return [...files, ...compileScripts(this.#boxes, this.scripts)];
  }
}

/** How many looks are left out after one that failed: it may have been a long one. */
const LOOKS_LEFT_OUT = 30;

/** The paths of this host that a pattern means, looked for again when a directory has changed. */
class PatternPaths {
  readonly pattern: string;
  #expansion: Expansion;
  #trouble: string | undefined;
  #leftOut = 0;

  constructor(pattern: string) {
    this.pattern = pattern;
    this.#expansion = expandPattern(pattern, matchesGlob);
  }

  get paths(): string[] {
    return this.#expansion.paths.filter(isFindable);
  }

  get faults(): string[] {
    const passed = this.#expansion.faults.map(({ message }) => message);
    return this.#trouble === undefined ? passed : [...passed, this.#trouble];
  }

  /** Whether there may be others now. Where they cannot be told, those from before stay, and none is added. */
  look(): boolean {
    if (this.#leftOut > 0) {
      this.#leftOut -= 1;
      return false;
    }
    if (this.#trouble === undefined && !this.#expansion.isStale()) return false;
    try {
      this.#expansion = expandPattern(this.pattern, matchesGlob);
      this.#trouble = undefined;
      return true;
    } catch (error) {
      if (!(error instanceof BouhekiError)) throw error;
      this.#trouble = error.message;
      this.#leftOut = LOOKS_LEFT_OUT;
      return false;
    }
  }
}

/** Paths of one pattern that went, of which deleted files are kept: a pattern has as many as there are upgrades. */
const MOST_GONE = 8;

/** The executables of this host that a pattern means. */
class PatternFiles {
  readonly #source: PatternPaths;
  readonly #held = new Map<string, HeldPath<HeldFile>>();

  constructor(source: PatternPaths) {
    this.#source = source;
    for (const path of source.paths) this.#held.set(path, new HeldPath(holdMatch(path)));
  }

  get pattern(): string {
    return this.#source.pattern;
  }

  get paths(): string[] {
    return [...this.#held].flatMap(([path, { now }]) => (now ? [path] : []));
  }

  get faults(): string[] {
    return this.#source.faults;
  }

  get held(): HeldPath<HeldFile>[] {
    return [...this.#held.values()];
  }

  look(): Look[] {
    if (this.#source.look()) {
      const paths = new Set(this.#source.paths);
      for (const path of paths) if (!this.#held.has(path)) this.#held.set(path, new HeldPath());
      return [
        ...this.#lookAtAll((path) => (paths.has(path) ? holdMatch(path) : undefined)),
        ...this.#forget(),
      ];
    }
    return this.#lookAtAll(holdMatch);
  }

  close(): void {
    for (const files of this.#held.values()) files.close();
    this.#held.clear();
  }

  #lookAtAll(open: (path: string) => HeldFile | undefined): Look[] {
    return [...this.#held].map(([path, files]) => lookAt(path, files, open));
  }

  /** Lets go of paths that went, but for deleted files of the last of them. */
  #forget(): Look[] {
    const gone = [...this.#held].filter(([, { now }]) => !now);
    const kept = new Set(gone.filter(([, { deleted }]) => deleted.length > 0).slice(-MOST_GONE));
    return gone
      .filter((each) => !kept.has(each))
      .map(([path, files]) => {
        this.#held.delete(path);
        return { change: undefined, dropped: [...files.deleted], touched: files.deleted.length > 0 };
      });
  }
}

/** What a look at one path has found. */
interface Look {
  change: ExecutableChange | undefined;
  /** Files that are not held any more, for the caller to close. */
  dropped: HeldFile[];
  /** Whether the file is the same and may be identified in another way. */
  touched: boolean;
}

/** Sees which file a path means; `open` opens it. */
function lookAt(path: string, files: HeldPath<HeldFile>, open: (path: string) => HeldFile | undefined): Look {
  const before = files.now;
  const found = stat(path);
  if (found && before && fileKey(found) === before.key) {
    const touched = found.ctimeNs !== before.changed;
    before.changed = found.ctimeNs;
    return { change: undefined, dropped: [], touched };
  }
  const now = found || before ? holdOther(path, before, open) : 'same';
  if (now === 'same') return { change: undefined, dropped: [], touched: false };
  const change = !before ? 'appeared' : now ? 'replaced' : 'vanished';
  return { change: { path, change }, dropped: files.replace(now), touched: false };
}

function scriptPatterns(boxes: readonly Box[]): string[] {
  return [...new Set(boxes.flatMap(({ from }) => from.script?.filter(isGlob) ?? []))];
}

/** What the path means now, if that is not what is held. */
function holdOther(
  path: string,
  before: HeldFile | undefined,
  open: (path: string) => HeldFile | undefined,
): HeldFile | 'same' | undefined {
  const now = open(path);
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
  return heldAt(fd);
}

/** As `hold`, through what root alone can change. */
function holdMatch(path: string): HeldFile | undefined {
  const fd = openMatch(path);
  return fd === undefined ? undefined : heldAt(fd);
}

function heldAt(fd: number): HeldFile | undefined {
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
