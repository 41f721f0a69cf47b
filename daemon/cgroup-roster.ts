import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { Egress } from '../bpf/egress.ts';
import { CGROUP_LISTED_EVERY } from '../bpf/wire.ts';
import { activeSide, listCgroup, listedAs, markUnlisted, unlistCgroup } from '../enforcer/apply.ts';
import { type FoundCgroup, isMadeByUser, listCgroups } from '../enforcer/cgroup-list.ts';
import type { CompiledPolicy } from '../enforcer/compile.ts';
import {
  awaitedPaths,
  expectCgroups,
  type ExpectedCgroup,
  forgetExpected,
  putExpected,
} from '../enforcer/expected-cgroup.ts';
import type { KnownCgroup } from '../enforcer/known-cgroup.ts';
import { CgroupReader } from '../profiler/identity/cgroup-reader.ts';
import type { ContainerNames } from '../profiler/identity/container.ts';

/** How long a new container may take to get its name, and how often it is asked for, milliseconds. */
const NAME_WAIT = 10_000;
const NAME_EVERY = 50;

/** What looking for cgroups may take of the time, at the most: one part in so many. */
const LOOK_SHARE = 10;

/** So many of those are expected again: names that no rule could know, as of scopes, come and go without end. */
const COME_AGAIN = 1024;

type Subjects = CompiledPolicy['subjects'];

/** The cgroups that a policy is to be applied with. */
export interface CgroupListing {
  found: FoundCgroup[];
  /** Whether there were more of users than are looked at. */
  beyond: boolean;
  /** Paths of those whose container has no name yet. */
  unsettled: string[];
  /** Those that root may make meanwhile. */
  expected: ExpectedCgroup[];
  /** The id of the youngest that was looked at. */
  last: bigint;
}

/** Where the roster looks, and who hears of what it finds. */
export interface RosterOptions {
  /** Where the hierarchy of cgroups is mounted. */
  root: string;
  /** Called in one sentence with what can't be held. */
  warn(text: string): void;
  /** Called with the path of each cgroup that was looked at. */
  seen(path: string): void;
}

/** The cgroups that the kernel side tells apart for the policy in force, kept true as they come and go. */
export class CgroupRoster implements Disposable {
  readonly #egress: Egress;
  readonly #names: ContainerNames;
  readonly #warn: (text: string) => void;
  readonly #seen: (path: string) => void;
  readonly #root: string;
  readonly #cgroups: CgroupReader;
  /** Of the policy in force. */
  #subjects: Subjects | undefined;
  /** The id of the youngest cgroup that was looked at. */
  #last = 0n;
  /** Whether the last cgroup that root has made found no room. */
  #full = false;
  /** Cgroups that users have made and that found no room since they were last looked for. */
  readonly #unlisted = new Set<bigint>();
  /** Whether there were more of them than are looked at. */
  #beyond = false;
  /** Whether the kernel side knows that some are missing. */
  #reported = false;
  /** Before this moment cgroups are not looked for once more, milliseconds of the process's clock. */
  #nextLook = 0;
  #over = false;
  /** Cgroups that the daemon has listed: path by id. */
  readonly #listed = new Map<bigint, string>();
  /** Cgroups that root has made under the policy in force, and may make again, by path; the oldest first. */
  readonly #comeAgain = new Map<string, ExpectedCgroup>();
  /** What the kernel side had lost of cgroups when they were last looked for. */
  #lost = 0;

  constructor(egress: Egress, names: ContainerNames, { root, seen, warn }: RosterOptions) {
    this.#egress = egress;
    this.#names = names;
    this.#root = root;
    this.#seen = seen;
    this.#warn = warn;
    this.#cgroups = new CgroupReader(root);
  }

  /** Changes nothing any more: the kernel side may be gone. */
  [Symbol.dispose](): void {
    this.#over = true;
  }

  /** The cgroups that a policy with these subjects tells apart. */
  look(subjects: Subjects): CgroupListing {
    const unsettled: string[] = [];
    const listing = this.#list(subjects, (path) => {
      if (!this.#settled(path)) unsettled.push(path);
      return this.known(path);
    });
    const seen = listing.found.flatMap(({ byUser, path }) => (byUser ? [] : [path]));
    const awaited = awaitedPaths(subjects.named, listing.slices);
    return { ...listing, unsettled, expected: this.#expect([...seen, ...awaited], subjects) };
  }

  /** The policy with these subjects was put in force together with what look() has found. */
  begin(subjects: Subjects, { beyond, found, last, unsettled }: CgroupListing): void {
    this.#subjects = subjects;
    this.#sawUpTo(last);
    this.#listed.clear();
    this.#comeAgain.clear();
    this.#unlisted.clear();
    this.#beyond = beyond;
    for (const { boxes, byUser, id, path } of found) {
      if (byUser && listedAs(this.#egress, id, boxes) === 'not') this.#unlisted.add(id);
      else this.#listed.set(id, path);
    }
    this.#reported = false;
    this.#tellUnlisted();
    for (const { path } of found) this.#seen(path);
    for (const path of unsettled) this.#listAgain(path);
  }

  /**
   * What is known of the container whose runtime has made just this cgroup for it; undefined without a name.
   */
  containerAt(path: string): KnownCgroup | undefined {
    if (this.#cgroups.read(path).container?.path !== path) return undefined;
    const cgroup = this.known(path);
    return cgroup.container === undefined ? undefined : cgroup;
  }

  /** The container that a cgroup belongs to, if it has a name. */
  containerOf(path: string): KnownCgroup | undefined {
    const found = this.#cgroups.read(path).container;
    return found && this.containerAt(found.path);
  }

  /** How many cgroups that users have made are not distinguished, at the least. */
  get unlisted(): number {
    return this.#unlisted.size + (this.#beyond ? 1 : 0);
  }

  /** Lists the cgroups that the kernel side could not report, after it has counted some. */
  findLost(lost: number): void {
    if (lost === this.#lost || !this.#subjects || performance.now() < this.#nextLook) return;
    this.#lost = lost;
    this.findCgroups();
  }

  /** Lists the cgroups that were made since the policy came into force, and not heard of. */
  findCgroups(): void {
    const begun = performance.now();
    if (!this.#subjects || begun < this.#nextLook) return;
    const { found, beyond, last } = this.#list(this.#subjects, (path) => this.known(path));
    this.#unlisted.clear();
    this.#beyond = beyond;
    for (const cgroup of found) if (!this.#listed.has(cgroup.id)) this.#take(cgroup, 0, true);
    this.#tellUnlisted();
    this.#sawUpTo(last);
    // A user can have any number of them made and removed.
    const end = performance.now();
    this.#nextLook = end + LOOK_SHARE * (end - begun);
  }

  /**
   * A cgroup was made: its container's rules are to hold from its first connection on, or as soon as it has a
   * name.
   */
  cgroupMade(id: bigint, path: string, waited = 0): void {
    if (!this.#subjects || this.#over) return;
    this.#sawUpTo(id);
    // The kernel side cuts long paths off, and what is left would be another cgroup's.
    if (!this.#isAt(id, path)) return;
    const boxes = this.#subjects.cgroup(this.known(path));
    const cgroup = { id, path, boxes, byUser: isMadeByUser(this.#root, path) };
    this.#take(cgroup, waited, !this.#isListedAs(cgroup));
  }

  /** The id of the youngest cgroup that was looked at: ids grow. */
  get last(): bigint {
    return this.#last;
  }

  #sawUpTo(id: bigint): void {
    if (id > this.#last) this.#last = id;
  }

  /** Lists a cgroup if that is needed, and follows what becomes of it. */
  #take(cgroup: FoundCgroup, waited: number, needed: boolean): void {
    const { id, path } = cgroup;
    if (needed) this.#enter(cgroup);
    if (needed && !cgroup.byUser) this.#expectAgain(path);
    this.#seen(path);
    if (this.#settled(path) || waited >= NAME_WAIT) return;
    setTimeout(() => this.cgroupMade(id, path, waited + NAME_EVERY), NAME_EVERY).unref();
  }

  /**
   * Whether the kernel side, which goes by the innermost cgroup that is listed, takes it for what it is
   * already.
   */
  #isListedAs({ boxes, id, path }: FoundCgroup): boolean {
    let found = listedAs(this.#egress, id, boxes);
    let above = path;
    for (let step = 0; found === 'not' && above !== '/' && step < CGROUP_LISTED_EVERY; step += 1) {
      above = dirname(above);
      const info = statSync(this.#root + above, { bigint: true, throwIfNoEntry: false });
      if (info === undefined) return false;
      found = listedAs(this.#egress, info.ino, boxes);
    }
    return found === 'same';
  }

  #enter(cgroup: FoundCgroup): void {
    const { byUser, id, path } = cgroup;
    if (listCgroup(this.#egress, cgroup)) {
      if (!byUser) this.#full = false;
      // Gone meanwhile: the kernel side may have removed its entry before we made it.
      if (this.#isAt(id, path)) this.#listed.set(id, path);
      else unlistCgroup(this.#egress, id);
    } else if (byUser) {
      if (this.#unlisted.size < this.#egress.userCgroupRoom) this.#unlisted.add(id);
      this.#tellUnlisted();
    } else {
      if (!this.#full) this.#warn(`No room for cgroups from ${path} on; those above them decide.`);
      this.#full = true;
    }
  }

  /** A cgroup that the kernel side cannot tell apart matches every rule that denies, and none that allows. */
  #tellUnlisted(): void {
    const missing = this.#beyond || this.#unlisted.size > 0;
    if (missing === this.#reported) return;
    this.#reported = missing;
    markUnlisted(this.#egress, missing);
    if (missing) {
      this.#warn(
        'No room for more cgroups that users have made: in those, denials by cgroup, unit and container hold and permissions do not.',
      );
    }
  }

  /** What the kernel side is to know of cgroups before root makes them: of containers the path does not say it. */
  #expect(paths: readonly string[], subjects: Subjects): ExpectedCgroup[] {
    return expectCgroups(paths, this.#root, (path) =>
      this.#cgroups.read(path).container ? undefined : subjects.cgroup(this.known(path)),
    );
  }

  /** A service that is started again has its cgroup made again. */
  #expectAgain(path: string): void {
    const [expected] = this.#expect([path], this.#subjects!);
    if (!expected) return;
    const side = activeSide(this.#egress);
    putExpected(this.#egress, side, expected);
    this.#comeAgain.delete(path);
    this.#comeAgain.set(path, expected);
    if (this.#comeAgain.size <= COME_AGAIN) return;
    const [oldest, { above, name }] = this.#comeAgain.entries().next().value!;
    forgetExpected(this.#egress, side, { above, name });
    this.#comeAgain.delete(oldest);
  }

  /** A cgroup that was there before the policy: its container may get its name, or another image, later. */
  #listAgain(path: string): void {
    try {
      const id = statSync(this.#root + path, { bigint: true }).ino;
      setTimeout(() => this.cgroupMade(id, path, NAME_EVERY), NAME_EVERY).unref();
    } catch {
      // It is gone.
    }
  }

  /** Whether the container of a cgroup is known completely. */
  #settled(path: string): boolean {
    const { container } = this.#cgroups.read(path);
    if (!container || container.user !== undefined) return true;
    const { asked, known } = this.#names.find(container);
    return known && !asked;
  }

  /** Forgets the cgroups that are gone. */
  sweep(): void {
    for (const [id, path] of this.#listed) {
      if (this.#isAt(id, path)) continue;
      unlistCgroup(this.#egress, id);
      this.#listed.delete(id);
    }
  }

  #isAt(id: bigint, path: string): boolean {
    return statSync(this.#root + path, { bigint: true, throwIfNoEntry: false })?.ino === id;
  }

  /** What is known of a cgroup. */
  known(path: string): KnownCgroup {
    const { container: found, unit } = this.#cgroups.read(path);
    const place: KnownCgroup = { path };
    if (unit !== undefined) place.unit = unit;
    const container = found && this.#names.find(found);
    if (container?.known) {
      place.container = container.name;
      if (container.image !== '') place.image = container.image;
    }
    return place;
  }

  #list(subjects: Subjects, describe: (path: string) => KnownCgroup): ReturnType<typeof listCgroups> {
    return listCgroups(subjects, describe, this.#egress.userCgroupRoom, this.#root);
  }
}
