import { existsSync } from 'node:fs';
import type { Egress } from '../../bpf/egress.ts';
import type { FileObject } from '../../bpf/executable.ts';
import { SystemError } from '../../bpf/libbpf.ts';
import type { Box } from '../../policy/meaning/policy.ts';
import { replaceSubjectEntries } from '../apply.ts';
import { type Answer, type ContainerFiles, Silence } from './container-files.ts';
import { ContainerObjects } from './container-objects.ts';
import { compileContainer, type KnownContainer, pathsInside } from '../executable-entry.ts';
import type { ExecutableChange } from '../executable-watch.ts';
import type { KnownCgroup } from '../known-cgroup.ts';
import type { SubjectEntry } from '../subject-entry.ts';

/**
 * How often the files of a container that has just been made are looked for, and for how long, milliseconds.
 */
const LOOK_EVERY = 50;
const LOOK_FOR = 10_000;
/** How often a container may give no answer before it is not asked any more: each time costs a process. */
const MOST_SILENCES = 3;

/** What is reported of the containers in which a policy names executables. */
export interface ContainerTidings {
  changed(place: KnownCgroup, change: ExecutableChange): void;
  /**
   * The meaning of paths there is unknown: nothing is allowed by them, and everything that they deny is
   * denied.
   */
  failed(place: KnownCgroup, error: Error): void;
}

interface Tracked {
  place: KnownCgroup;
  /** When its cgroup was heard of, milliseconds, as performance.now(). */
  since: number;
  /** When it is asked again, while it is new. */
  next: NodeJS.Timeout | undefined;
  asking: boolean;
  /** How often it gave no answer. */
  silences: number;
  /** Why the meaning of paths there is unknown at present. */
  trouble: string | undefined;
  known: KnownContainer | undefined;
  /** Paths that mean no file in it. */
  missing: string[];
  /** What the kernel side has received. */
  entries: readonly SubjectEntry[];
}

/**
 * The executables of containers in a policy, followed as containers come and go and as their files change.
 * Until it is known what a path means in a container, its rules allow nothing there, and those that deny hold
 * for everything.
 */
export class ContainerWatch implements Disposable {
  readonly #egress: Egress;
  readonly #boxes: readonly Box[];
  readonly #files: ContainerFiles;
  readonly #root: string;
  readonly #tidings: ContainerTidings;
  readonly #objects: ContainerObjects;
  /** By the path of the container's cgroup. */
  readonly #tracked = new Map<string, Tracked>();
  #inForce = false;
  #over = false;

  /** For `boxes` that are about to be put in force. `root`: where the hierarchy of cgroups is mounted. */
  constructor(
    egress: Egress,
    boxes: readonly Box[],
    files: ContainerFiles,
    root: string,
    tidings: ContainerTidings,
  ) {
    this.#egress = egress;
    this.#objects = new ContainerObjects(egress);
    this.#boxes = boxes;
    this.#files = files;
    this.#root = root;
    this.#tidings = tidings;
  }

  /** Finds out about containers that run already, so that the policy holds for them from its first moment. */
  async prepare(places: readonly KnownCgroup[]): Promise<void> {
    await Promise.all(places.map((place) => this.#ask(this.#track(place))));
  }

  /** What is known of containers, for the tables of the policy. */
  get known(): KnownContainer[] {
    return [...this.#tracked.values()].flatMap(({ known }) => known ?? []);
  }

  /** Paths that mean no file in some containers, with the names of those. */
  get missing(): Map<string, string[]> {
    const found = new Map<string, string[]>();
    for (const { missing, place } of this.#tracked.values()) {
      for (const path of missing)
        found.set(path, [...(found.get(path) ?? []), place.container ?? place.path]);
    }
    return found;
  }

  /** The policy is in force, with what `known` said. From now on changes are written to the kernel side. */
  begin(): void {
    this.#inForce = true;
    for (const each of this.#tracked.values()) {
      if (each.known) each.entries = compileContainer(this.#boxes, each.known);
    }
  }

  /** A container runs, or more is known of it. `place.path` is the cgroup that its runtime made for it. */
  follow(place: KnownCgroup): void {
    const each = this.#track(place);
    if (each?.known) this.#learn(each, { ...each.known, place });
    // It may be another one by the same name.
    else if (each) each.since = performance.now();
    void this.#ask(each);
  }

  /** Looks at every container again. */
  look(): void {
    for (const each of this.#tracked.values()) void this.#ask(each);
  }

  [Symbol.dispose](): void {
    this.#over = true;
    this.#tracked.clear();
  }

  /** Undefined for a container that no executable is named of. */
  #track(place: KnownCgroup): Tracked | undefined {
    const before = this.#tracked.get(place.path);
    if (before) {
      before.place = place;
      return before;
    }
    if (pathsInside(this.#boxes, place).length === 0) return undefined;
    const since = performance.now();
    const each = { place, since, asking: false, silences: 0, trouble: undefined, next: undefined };
    const tracked: Tracked = { ...each, known: undefined, missing: [], entries: [] };
    this.#tracked.set(place.path, tracked);
    return tracked;
  }

  async #ask(each: Tracked | undefined): Promise<void> {
    if (!each || this.#over || each.asking || each.silences >= MOST_SILENCES) return;
    const { path } = each.place;
    const files = pathsInside(this.#boxes, each.place);
    each.asking = true;
    let answer: Answer;
    try {
      answer = await this.#files.ask({ path, directory: this.#root + path, files });
    } catch (error) {
      this.#fail(each, error as Error);
      return;
    } finally {
      each.asking = false;
    }
    if (this.#over) return;
    if (!answer && !existsSync(this.#root + path)) {
      this.#learn(each, undefined);
      this.#tracked.delete(path);
      this.#objects.forget(path);
      return;
    }
    this.#take(each, answer);
    if (each.known && each.missing.length === 0) return;
    clearTimeout(each.next);
    if (performance.now() - each.since < LOOK_FOR) {
      each.next = setTimeout(() => void this.#ask(each), LOOK_EVERY).unref();
    }
  }

  #fail(each: Tracked, error: Error): void {
    if (error instanceof Silence) each.silences += 1;
    if (this.#over) return;
    this.#learn(each, undefined);
    this.#tell(each, error);
  }

  /** The same trouble is reported once. */
  #tell(each: Tracked, error: Error): void {
    if (each.trouble !== error.message) this.#tidings.failed(each.place, error);
    each.trouble = error.message;
  }

  #take(each: Tracked, answer: Answer): void {
    const before = each.known;
    const { place } = each;
    if (!answer) {
      this.#learn(each, undefined);
      return;
    }
    const { mountNamespace } = answer;
    const files = this.#objects.find(place.path, answer);
    // The reader has gone meanwhile, or let go of them: the next look finds out.
    if (!files) return this.#learn(each, undefined);
    const wasMissing = each.missing;
    each.missing = [...answer.files].flatMap(([path, { now }]) => (now ? [] : [path]));
    this.#learn(each, { place, mountNamespace, files });
    if (before?.mountNamespace !== mountNamespace) return;
    for (const [path, { now }] of answer.files) {
      const asked = before.files.get(path);
      if (!asked) continue;
      const [file] = files.get(path)!;
      const change = changeOf(wasMissing.includes(path) ? 'missing' : asked[0], now ? file : 'missing');
      if (change !== undefined) this.#tidings.changed(place, { path, change });
    }
  }

  #learn(each: Tracked, known: KnownContainer | undefined): void {
    each.known = known;
    if (!known) each.missing = [];
    if (!this.#inForce) return;
    const entries = known ? compileContainer(this.#boxes, known) : [];
    if (entriesKey(entries) === entriesKey(each.entries)) return;
    try {
      replaceSubjectEntries(this.#egress, each.entries, entries);
      each.entries = entries;
      if (known) each.trouble = undefined;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      // No room. The next look tries again; some of them may be there.
      each.entries = [...each.entries, ...entries];
      this.#tell(each, error);
    }
  }
}

/** What became of a path. A file is undefined where it is there and the kernel has not told which it is. */
function changeOf(
  old: FileObject | undefined | 'missing',
  file: FileObject | undefined | 'missing',
): ExecutableChange['change'] | undefined {
  if (old === 'missing') return file === 'missing' ? undefined : 'appeared';
  if (file === 'missing') return 'vanished';
  const other = file && old && (file.inode !== old.inode || file.device !== old.device);
  return other ? 'replaced' : undefined;
}

function entriesKey(entries: readonly SubjectEntry[]): string {
  return entries.map(({ a, b, boxes }) => `${a} ${b} ${boxes.join()}`).join('\n');
}
