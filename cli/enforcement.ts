import { visible } from '../error/visible.ts';
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { cgroupRoot } from '../bpf/cgroup-root.ts';
import type { Egress } from '../bpf/egress.ts';
import { SystemError } from '../bpf/libbpf.ts';
import { applyPolicy, listCgroup, unlistCgroup } from '../enforcer/apply.ts';
import { sizeOf } from '../enforcer/box-vector.ts';
import { cgroupPaths, listCgroups } from '../enforcer/cgroup-list.ts';
import { allowsSomeToNobody, compilePolicy, type CompiledPolicy } from '../enforcer/compile.ts';
import { ContainerFiles } from '../enforcer/container-files.ts';
import { ContainerWatch } from '../enforcer/container-watch.ts';
import { asksFor } from '../enforcer/executable-entry.ts';
import { type ExecutableChange, ExecutableWatch } from '../enforcer/executable-watch.ts';
import type { CgroupPlace } from '../enforcer/place.ts';
import type { Policy } from '../policy/policy.ts';
import { atMost } from '../profiler/at-most.ts';
import { CgroupReader } from '../profiler/cgroup-reader.ts';
import type { ContainerNames } from '../profiler/container.ts';
import type { PacketRules } from './backstop-notes.ts';

/** How long a new container may take to get its name, and how often it is asked for, milliseconds. */
const NAME_WAIT = 10_000;
const NAME_EVERY = 50;

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
  /** Whether the last cgroup found no room. */
  #full = false;
  #compiled: CompiledPolicy | undefined;
  #executables: ExecutableWatch | undefined;
  readonly #files = new ContainerFiles();
  #containers: ContainerWatch | undefined;
  /** For the policy that is to be applied next. */
  #prepared: { policy: Policy; containers: ContainerWatch } | undefined;
  #policy: Policy | undefined;
  #over = false;
  /** Cgroups that are listed or have no need to be: path by id. */
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
    const places = cgroupPaths(this.#root).flatMap((path) => this.#containerAt(path) ?? []);
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
    let cgroups: ReturnType<typeof listCgroups>;
    let generation: bigint;
    try {
      compiled = compilePolicy(policy, (path) => executables.resolve(path), containers.known);
      cgroups = listCgroups(compiled.subjects, describe, this.#root);
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
    for (const { id, path } of cgroups) this.#listed.set(id, path);
    for (const { path } of cgroups) this.#followContainer(path);
    for (const path of unsettled) this.#listAgain(path);
    return generation;
  }

  /** Lists the cgroups that the kernel side could not tell of, after it has counted some. */
  findLost(lost: number): void {
    if (lost === this.#lost || !this.#compiled) return;
    this.#lost = lost;
    this.findCgroups();
  }

  /** Lists the cgroups that were made since the policy came into force, and not heard of. */
  findCgroups(): void {
    if (!this.#compiled) return;
    const found = listCgroups(this.#compiled.subjects, (path) => this.#placeOf(path), this.#root);
    for (const { id, path } of found) if (!this.#listed.has(id)) this.cgroupMade(id, path);
  }

  /** A cgroup was made: its container's rules are to hold from its first connection on, or as soon as it has a name. */
  cgroupMade(id: bigint, path: string, waited = 0): void {
    const compiled = this.#compiled;
    if (!compiled || this.#over) return;
    // The kernel side cuts long paths off, and what is left would be another cgroup's.
    if (!this.#isAt(id, path)) return;
    try {
      listCgroup(this.#egress, { id, boxes: compiled.subjects.cgroup(this.#placeOf(path)) });
    } catch (error) {
      // No room: any user with cgroups of their own can make that many, which must not end enforcement.
      if (!(error instanceof SystemError)) throw error;
      if (!this.#full) this.#warn(`No room to tell cgroups apart from ${path} on; those above them decide.`);
      this.#full = true;
      return;
    }
    this.#full = false;
    this.#listed.set(id, path);
    this.#followContainer(path);
    if (this.#settled(path) || waited >= NAME_WAIT) return;
    setTimeout(() => {
      if (this.#listed.has(id)) this.cgroupMade(id, path, waited + NAME_EVERY);
    }, NAME_EVERY).unref();
  }

  /** A cgroup that was there before the policy: its container may get its name, or another image, later. */
  #listAgain(path: string): void {
    try {
      const id = statSync(this.#root + path, { bigint: true }).ino;
      this.#listed.set(id, path);
      setTimeout(() => {
        if (this.#listed.has(id)) this.cgroupMade(id, path, NAME_EVERY);
      }, NAME_EVERY).unref();
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
