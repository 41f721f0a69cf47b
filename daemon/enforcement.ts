import { visible } from '../error/visible.ts';
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { performance } from 'node:perf_hooks';
import { cgroupRoot } from '../host/cgroup-root.ts';
import type { Egress } from '../bpf/egress.ts';
import { SystemError } from '../bpf/libbpf.ts';
import { applyPolicy, listCgroup, listedAs, markUnlisted, unlistCgroup } from '../enforcer/apply.ts';
import { sizeOf } from '../enforcer/box-vector.ts';
import { cgroupPaths, type FoundCgroup, isMadeByUser, listCgroups } from '../enforcer/cgroup-list.ts';
import { allowsSomeToNobody, compilePolicy, type CompiledPolicy } from '../enforcer/compile.ts';
import { ContainerFiles } from '../enforcer/container/container-files.ts';
import { ContainerWatch } from '../enforcer/container/container-watch.ts';
import { asksFor } from '../enforcer/executable-entry.ts';
import { type ExecutableChange, ExecutableWatch } from '../enforcer/executable-watch.ts';
import type { CgroupPlace } from '../enforcer/place.ts';
import { CGROUP_LISTED_EVERY } from '../bpf/wire.ts';
import type { Policy } from '../policy/meaning/policy.ts';
import { atMost } from '../profiler/identity/at-most.ts';
import { CgroupReader } from '../profiler/identity/cgroup-reader.ts';
import type { ContainerNames } from '../profiler/identity/container.ts';
import type { PacketRules } from './backstop-notes.ts';

/** How long a new container may take to get its name, and how often it is asked for, milliseconds. */
const NAME_WAIT = 10_000;
const NAME_EVERY = 50;

/** What looking for cgroups may take of the time, at the most: one part in so many. */
const LOOK_SHARE = 10;

/** How long a policy may wait for what its paths mean in containers, milliseconds. */
const PREPARATION = 15_000;

const CHANGES = {
  replaced: 'is another file now: its rules hold for that one, and for what still runs the one before',
  appeared: 'exists now: its rules hold',
  vanished: 'does not exist any more: until it does, no rule that names it matches what is started',
} as const;

/** The policy in force, kept true to the cgroups that come and go. */
export class Enforcement implements Disposable {
  readonly #egress: Egress;
  readonly #names: ContainerNames;
  readonly #warn: (text: string) => void;
  readonly #root: string;
  readonly #cgroups: CgroupReader;
  /** Whether the last cgroup that root has made found no room. */
  #full = false;
  /** Cgroups that users have made and that found no room since they were last looked for. */
  readonly #unlisted = new Set<bigint>();
  /** Whether there were more of them than are looked at. */
  #beyond = false;
  /** Whether the kernel side knows that some are missing. */
  #told = false;
  /** Before this moment cgroups are not looked for once more, milliseconds of the process's clock. */
  #nextLook = 0;
  #compiled: CompiledPolicy | undefined;
  #executables: ExecutableWatch | undefined;
  readonly #files = new ContainerFiles();
  #containers: ContainerWatch | undefined;
  /** For the policy that is to be applied next. */
  #prepared: { policy: Policy; containers: ContainerWatch } | undefined;
  #policy: Policy | undefined;
  #over = false;
  /** Cgroups that the daemon has listed: path by id. */
  readonly #listed = new Map<bigint, string>();
  /** What the kernel side had lost of cgroups when they were last looked for. */
  #lost = 0;

  /** `warn` is told in one sentence what can't be held. `root`: where the hierarchy of cgroups is mounted. */
  constructor(
    egress: Egress,
    names: ContainerNames,
    warn: (text: string) => void,
    root: string = cgroupRoot(),
  ) {
    this.#root = root;
    this.#cgroups = new CgroupReader(root);
    this.#egress = egress;
    this.#names = names;
    this.#warn = (text) => warn(visible(text));
  }

  /** Whether it has ended: the kernel side may be gone. */
  get over(): boolean {
    return this.#over;
  }

  /** Tells the kernel side nothing any more. */
  [Symbol.dispose](): void {
    this.#over = true;
    this.#prepared?.containers[Symbol.dispose]();
    this.#containers?.[Symbol.dispose]();
    this.#executables?.[Symbol.dispose]();
    this.#files[Symbol.dispose]();
  }

  get policy(): Policy {
    if (!this.#policy) throw new Error('no policy is in force');
    return this.#policy;
  }

  /** What the policy says of packets. */
  get packetRules(): PacketRules {
    const compiled = this.#compiled;
    if (!compiled) throw new Error('no policy is in force');
    const { backstop, sourceRoutes } = compiled;
    return { entries: sizeOf(backstop), closed: allowsSomeToNobody(compiled), sourceRoutes };
  }

  /** `exe` paths of the policy that mean no file on this host at present. */
  get unresolved(): readonly string[] {
    return this.#executables?.missing ?? [];
  }

  /** `exe` paths of the policy that mean no file in some containers, with the names of those. */
  get missingInside(): ReadonlyMap<string, readonly string[]> {
    return this.#containers?.missing ?? new Map();
  }

  /**
   * Finds out what a policy's paths mean in the containers that run, so that it holds for them as soon as it is applied;
   * without this it holds a moment later. Never fails, and waits for no container for long.
   */
  async prepare(policy: Policy): Promise<void> {
    const containers = this.#watchFor(policy);
    this.#prepared = { policy, containers };
    if (!policy.boxes.some((box) => asksFor('container', box))) return;
    const places = cgroupPaths(this.#root, this.#egress.userCgroupRoom).flatMap(
      (path) => this.#containerAt(path) ?? [],
    );
    await atMost(PREPARATION, containers.prepare(places));
  }

  /** Puts a policy in force. When it can't be, the one before stays and a BouhekiError says why. */
  apply(policy: Policy): bigint {
    const executables = new ExecutableWatch(this.#egress, policy.boxes);
    const containers = this.#prepared?.policy === policy ? this.#prepared.containers : this.#watchFor(policy);
    this.#prepared = undefined;
    const unsettled: string[] = [];
    const describe = (path: string) => {
      if (!this.#settled(path)) unsettled.push(path);
      return this.#placeOf(path);
    };
    let compiled: CompiledPolicy;
    let cgroups: FoundCgroup[];
    let beyond: boolean;
    let generation: bigint;
    try {
      compiled = compilePolicy(policy, (path) => executables.resolve(path), containers.known);
      ({ found: cgroups, beyond } = listCgroups(
        compiled.subjects,
        describe,
        this.#egress.userCgroupRoom,
        this.#root,
      ));
      const { mode, target } = policy;
      generation = applyPolicy(this.#egress, compiled, { mode, target, record: true, cgroups });
    } catch (error) {
      executables[Symbol.dispose]();
      containers[Symbol.dispose]();
      throw error;
    }
    this.#executables?.[Symbol.dispose]();
    this.#executables = executables;
    this.#containers?.[Symbol.dispose]();
    this.#containers = containers;
    containers.begin();
    this.#compiled = compiled;
    this.#policy = policy;
    this.#listed.clear();
    this.#unlisted.clear();
    this.#beyond = beyond;
    for (const { boxes, byUser, id, path } of cgroups) {
      if (byUser && listedAs(this.#egress, id, boxes) === 'not') this.#unlisted.add(id);
      else this.#listed.set(id, path);
    }
    this.#told = false;
    this.#tellUnlisted();
    for (const { path } of cgroups) this.#followContainer(path);
    for (const path of unsettled) this.#listAgain(path);
    return generation;
  }

  /** How many cgroups that users have made are not told apart, at the least. */
  get unlisted(): number {
    return this.#unlisted.size + (this.#beyond ? 1 : 0);
  }

  /** Lists the cgroups that the kernel side could not tell of, after it has counted some. */
  findLost(lost: number): void {
    if (lost === this.#lost || !this.#compiled || performance.now() < this.#nextLook) return;
    this.#lost = lost;
    this.findCgroups();
  }

  /** Lists the cgroups that were made since the policy came into force, and not heard of. */
  findCgroups(): void {
    const begun = performance.now();
    if (!this.#compiled || begun < this.#nextLook) return;
    const { found, beyond } = listCgroups(
      this.#compiled.subjects,
      (path) => this.#placeOf(path),
      this.#egress.userCgroupRoom,
      this.#root,
    );
    this.#unlisted.clear();
    this.#beyond = beyond;
    for (const cgroup of found) if (!this.#listed.has(cgroup.id)) this.#take(cgroup, 0, true);
    this.#tellUnlisted();
    // A user can have any number of them made and removed.
    const end = performance.now();
    this.#nextLook = end + LOOK_SHARE * (end - begun);
  }

  /** A cgroup was made: its container's rules are to hold from its first connection on, or as soon as it has a name. */
  cgroupMade(id: bigint, path: string, waited = 0): void {
    const compiled = this.#compiled;
    if (!compiled || this.#over) return;
    // The kernel side cuts long paths off, and what is left would be another cgroup's.
    if (!this.#isAt(id, path)) return;
    const boxes = compiled.subjects.cgroup(this.#placeOf(path));
    const cgroup = { id, path, boxes, byUser: isMadeByUser(this.#root, path) };
    this.#take(cgroup, waited, !this.#isListedAs(cgroup));
  }

  /** Lists a cgroup if that is needed, and follows what becomes of it. */
  #take(cgroup: FoundCgroup, waited: number, needed: boolean): void {
    const { id, path } = cgroup;
    if (needed) this.#list(cgroup);
    this.#followContainer(path);
    if (this.#settled(path) || waited >= NAME_WAIT) return;
    setTimeout(() => this.cgroupMade(id, path, waited + NAME_EVERY), NAME_EVERY).unref();
  }

  /** Whether the kernel side, which goes by the innermost cgroup that is listed, takes it for what it is already. */
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

  #list(cgroup: FoundCgroup): void {
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
      if (!this.#full) this.#warn(`No room to tell cgroups apart from ${path} on; those above them decide.`);
      this.#full = true;
    }
  }

  /** What the kernel side can't tell apart it takes for whatever a rule denies, and for nothing that one allows. */
  #tellUnlisted(): void {
    const missing = this.#beyond || this.#unlisted.size > 0;
    if (missing === this.#told) return;
    this.#told = missing;
    markUnlisted(this.#egress, missing);
    if (missing) {
      this.#warn(
        'No room to tell more cgroups apart that users have made: in those, denials by cgroup, unit and container hold and permissions do not.',
      );
    }
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

  /** Whether nothing more is to be told about the container of a cgroup. */
  #settled(path: string): boolean {
    const { container } = this.#cgroups.read(path);
    if (!container || container.user !== undefined) return true;
    const { asked, known } = this.#names.find(container);
    return known && !asked;
  }

  /** Sees which executables of the policy have become other files, and tells it. */
  followExecutables(): void {
    try {
      for (const { path, change } of this.#executables?.look() ?? [])
        this.#warn(`${path} ${CHANGES[change]}.`);
      this.#containers?.look();
    } catch (error) {
      // No room. What was there before holds.
      if (!(error instanceof SystemError)) throw error;
      this.#warn(`no room to follow an executable (${error.message}): read the policy again with SIGHUP.`);
    }
  }

  #watchFor(policy: Policy): ContainerWatch {
    return new ContainerWatch(this.#egress, policy.boxes, this.#files, this.#root, {
      changed: (place, { change, path }: ExecutableChange) =>
        this.#warn(`${path} in ${nameOf(place)} ${CHANGES[change]}.`),
      failed: (place, { message }) =>
        this.#warn(
          `cannot tell the executables of ${nameOf(place)} (${message}): until then no rule for one allows it anything, and each that denies one denies it.`,
        ),
    });
  }

  /** The container of a cgroup, if it has a name. */
  #followContainer(path: string): void {
    const found = this.#cgroups.read(path).container;
    const place = found && this.#containerAt(found.path);
    if (place) this.#containers?.follow(place);
  }

  /** What is known of the container whose runtime has made just this cgroup for it; undefined without a name. */
  #containerAt(path: string): CgroupPlace | undefined {
    if (this.#cgroups.read(path).container?.path !== path) return undefined;
    const place = this.#placeOf(path);
    return place.container === undefined ? undefined : place;
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

  #placeOf(path: string): CgroupPlace {
    const { container: found, unit } = this.#cgroups.read(path);
    const place: CgroupPlace = { path };
    if (unit !== undefined) place.unit = unit;
    const container = found && this.#names.find(found);
    if (container?.known) {
      place.container = container.name;
      if (container.image !== '') place.image = container.image;
    }
    return place;
  }
}

function nameOf({ container, path }: CgroupPlace): string {
  return `container ${container ?? path}`;
}

/** What names a policy in logs and recordings: the first 12 digits of the SHA-256 of its text. */
export function policyHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
