import {
  addImage,
  type FileObject,
  findFile,
  type OpenFile,
  readOpenFiles,
  readRunningPrograms,
  type RunningImage,
  type RunningProgram,
} from './executable.ts';
import { GracePeriod } from './grace-period.ts';
import { interpreterBytes } from './interpreter.ts';
import type { BpfMap, MapMemory } from './map.ts';
import { type BpfObject, loadFirst } from './object.ts';
import {
  type Attachment,
  CGROUP_FOLLOWERS,
  CGROUP_HOOKS,
  hostAttachment,
  HOOKS,
  namespacesOf,
  needsPages,
  objectsFor,
  SECOND_HOOKS,
} from './probe.ts';
import type { KernelNeeds } from './requirement.ts';
import { Ring } from './ring.ts';
import {
  DEFAULT_RINGS,
  type FoldVisitor,
  knobBytes,
  Repeats,
  type RingSizes,
  takeFoldsBefore,
} from './share.ts';
import {
  Control,
  Connection,
  Counter,
  COUNTERS,
  ExpectedCgroup,
  Fold,
  Image,
  KnownAddress,
  KnownKey,
  MAX_KNOWN,
  MAX_USER_CGROUPS,
  Repeat,
  Script,
  SideFlag,
  SubjectKey,
  Tables,
  Tables6,
  Tables6Low,
  Vector,
  VERSION_SUBJECTS,
} from './wire.ts';

/** The half of a version that numbers the policy. */
const GENERATION = 0xffff_ffffn;

/** The loaded kernel side: rings, maps, switches. Nothing is judged or recorded until `setSide`. */
export class Egress implements Disposable {
  readonly connections: Ring;
  readonly denials: Ring;
  readonly subjects: BpfMap;
  /** Cgroups that others than root can have made. */
  readonly userCgroups: BpfMap;
  /** Cgroups that root has not made yet. */
  readonly expectedCgroups: BpfMap;
  /** Addresses that are known by names, for the programs that read DNS. */
  readonly known: BpfMap;
  /** Entries of both sides that fit there. */
  readonly userCgroupRoom: number;
  readonly #identities: BpfMap;
  readonly #scripts: BpfMap;
  readonly #counters: BpfMap;
  readonly #folds: BpfMap;
  readonly #repeats: Repeats;
  readonly #policy: MapMemory;
  readonly #policy6: MapMemory;
  readonly #policy6Low: MapMemory;
  readonly #control: MapMemory;
  readonly #version: BigUint64Array;
  readonly #deadline: BigUint64Array;
  readonly #nextEnd: BigUint64Array;
  /** The last generation that was given to a policy. */
  #latest = 0n;
  readonly #object: BpfObject;
  readonly #readers = new GracePeriod();
  #looksAtPackets = false;
  /** Whether a policy may block: one that only records has no use for the hook of files. */
  readonly #blocks: boolean;
  #judgesAgain: boolean | undefined;
  /** Whether a policy that blocks needs the hook of files too, and it is not attached yet. */
  #lacksPages: boolean;
  /** Whether identities are kept in task storage, so that the daemon can add those of running processes. */
  readonly canPrime: boolean;
  /** Whether there is a second judge to be attached. */
  readonly hasSecondJudge: boolean;

  private constructor(
    object: BpfObject,
    rings: RingSizes,
    canPrime: boolean,
    userCgroupRoom: number,
    blocks: boolean | 'twice',
  ) {
    this.userCgroupRoom = userCgroupRoom;
    this.hasSecondJudge = blocks === 'twice';
    this.#object = object;
    this.canPrime = canPrime;
    this.#blocks = blocks !== false;
    this.#lacksPages = needsPages(object, this.#blocks);
    this.connections = new Ring(object.map('connections', 0, 0).fd, rings.connections);
    this.denials = new Ring(object.map('denials', 0, 0).fd, rings.denials);
    this.subjects = object.map('subjects', SubjectKey.size, Vector.size);
    this.userCgroups = object.map('user_cgroups', SubjectKey.size, Vector.size);
    this.expectedCgroups = object.map('expected_cgroups', ExpectedCgroup.size, Vector.size);
    this.known = object.map('known', KnownKey.size, KnownAddress.size);
    this.#identities = object.map('identities', 4, Image.size);
    this.#scripts = object.map('scripts', 4, Script.size);
    this.#counters = object.map('counters', 4, 8);
    this.#folds = object.map('folds', Connection.size, Fold.size);
    this.#repeats = new Repeats(object.map('repeats', 4, Repeat.size), object.map('free_repeats', 0, 4));
    this.#policy = object.map('policy', 4, Tables.size).memory(2 * Tables.size);
    this.#policy6 = object.map('policy6', 4, Tables6.size).memory(2 * Tables6.size);
    this.#policy6Low = object.map('policy6_low', 4, Tables6Low.size).memory(2 * Tables6Low.size);
    this.#control = object.map('.data.control', 4, Control.size).memory(Control.size);
    this.#version = new BigUint64Array(this.#control.buffer, Control.offset.version, 1);
    this.#deadline = new BigUint64Array(this.#control.buffer, Control.offset.deadline, 1);
    this.#nextEnd = new BigUint64Array(this.#control.buffer, Control.offset.next_end, 2);
  }

  /** Loads and attaches the programs. Throws BouhekiError with the verifier's log when the kernel refuses. */
  static load(
    attachment: Attachment = hostAttachment().attachment,
    rings: RingSizes = DEFAULT_RINGS,
    { blocks = true, known = MAX_KNOWN, userCgroups = MAX_USER_CGROUPS }: KernelNeeds = {},
  ): Egress {
    const second = blocks === 'twice';
    const { modern, object } = loadFirst(objectsFor(attachment.backend, second), (each) => {
      each.setInitialValue('.rodata.knobs', knobBytes(namespacesOf(attachment), rings, second));
      if (!second) for (const program of SECOND_HOOKS) if (each.has(program)) each.leaveOut(program);
      each.setInitialValue('.rodata.interpreters', interpreterBytes());
      each.resize('connections', rings.connections);
      each.resize('denials', rings.denials);
      each.resize('user_cgroups', userCgroups);
      each.resize('known', known);
      if (each.has('socket_pages') && !needsPages(each, blocks !== false)) each.leaveOut('socket_pages');
    });
    try {
      const hooks = attachment.backend === 'cgroup' ? CGROUP_FOLLOWERS : HOOKS;
      for (const hook of hooks) if (object.has(hook)) object.attach(hook);
      if (attachment.backend === 'cgroup')
        for (const hook of CGROUP_HOOKS) object.attachToCgroup(hook, attachment.cgroup);
      return new Egress(object, rings, modern, userCgroups, blocks);
    } catch (error) {
      object[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Looks at every packet of a cgroup once more, as it leaves, and drops those to addresses that a policy in
   * block mode denies to all subjects, and those that open a connection to an address that it allows to none.
   * `path` is the cgroup's directory, normally the root of the hierarchy.
   */
  attachBackstop(path: string): void {
    this.#object.attachToCgroup('backstop', path);
    this.#looksAtPackets = true;
  }

  /**
   * Has what a policy blocks judged once more, where the kernel has left out the program that was to judge it.
   * `path`: the root of the hierarchy of cgroups.
   */
  attachSecondJudge(path: string): void {
    this.#judgesAgain = false;
    for (const hook of SECOND_HOOKS) this.#object.attachToCgroup(hook, path);
    this.#judgesAgain = true;
  }

  /** Whether the second judge could be attached; undefined where that was not tried. */
  get judgesAgain(): boolean | undefined {
    return this.#judgesAgain;
  }

  /** The programs that are attached, in this order, with the descriptors of their links. */
  get links(): { program: string; fd: number }[] {
    return this.#object.links;
  }

  /** Programs that were detached from their cgroup. */
  get detached(): string[] {
    return this.#object.detached;
  }

  /**
   * Drops packets of a cgroup with a source route, unless the policy in block mode allows it to some subject.
   * The hooks are not shown all of them.
   */
  attachRouteGuard(path: string): void {
    this.#object.attachToCgroup('source_route', path);
    this.#looksAtPackets = true;
  }

  /** Packets that were dropped as they left; undefined where nothing looks at them. */
  get stoppedPackets(): number | undefined {
    if (!this.#looksAtPackets) return undefined;
    const counters = this.counters();
    return counters[Counter.stoppedPacket]! + counters[Counter.stoppedRoute]!;
  }

  /**
   * Number of the policy in force; grows with every `flip`. One that waits for its confirmation counts until `fallBack`
   * is called, even where the kernel has gone back to the one before already.
   */
  get generation(): bigint {
    return Atomics.load(this.#version, 0) & GENERATION;
  }

  /** The side that no hook reads at present: fill it, then flip. */
  get inactiveSide(): 0 | 1 {
    return this.generation & 1n ? 0 : 1;
  }

  /** Memory of one side's tables. Only the inactive side may be written. */
  tables(side: 0 | 1): { tables: DataView; tables6: DataView; tables6Low: DataView } {
    return {
      tables: new DataView(this.#policy.buffer, side * Tables.size, Tables.size),
      tables6: new DataView(this.#policy6.buffer, side * Tables6.size, Tables6.size),
      tables6Low: new DataView(this.#policy6Low.buffer, side * Tables6Low.size, Tables6Low.size),
    };
  }

  /**
   * Puts the inactive side in force with the given SideFlags and number of deny boxes, by one 8-byte store,
   * and waits until no hook reads the old side any more. Returns the new generation. With `confirmBy`, in nanoseconds
   * since boot, the kernel goes back to the side before when that time has come, without the daemon, unless `confirm`
   * is called: until then that side must stay as it is. `ends`: how many different ends rules of
   * that side have, as `setEnds` counts them.
   */
  flip(flags: number, denyBoxes = 0, confirmBy?: bigint, ends = 0): bigint {
    if (this.confirmBy !== undefined) this.confirm();
    if ((flags & SideFlag.block) !== 0) {
      if (!this.#blocks) throw new Error('loaded to record alone: part of what blocks is missing');
      if (this.#lacksPages) this.#object.attach('socket_pages');
      this.#lacksPages = false;
    }
    const before = this.generation;
    // Never one that was used: sockets and processes remember by it what was decided. Its lowest bit is the side.
    const step = (this.#latest ^ before) & 1n ? 2n : 1n;
    const generation = (this.#latest + step) & GENERATION;
    // The numbers behind it are those of what is left of the policy when rules have ended.
    this.#latest = (generation + 2n * BigInt(ends)) & GENERATION;
    const side = generation & 1n ? 1 : 0;
    Atomics.store(this.#words('flags', 2), side, flags);
    Atomics.store(this.#words('deny_boxes', 2), side, denyBoxes);
    Atomics.store(this.#words('generation', 2), side, Number(generation));
    if (ends === 0) this.setEnds(side, 0, 0n);
    if (confirmBy !== undefined) {
      Atomics.store(this.#words('fallback'), 0, Number(before));
      Atomics.store(this.#deadline, 0, confirmBy);
    }
    this.#setGeneration(generation);
    this.#readers.wait();
    return generation;
  }

  /** By when the policy in force must be confirmed, nanoseconds since boot; undefined where it need not be. */
  get confirmBy(): bigint | undefined {
    return Atomics.load(this.#deadline, 0) || undefined;
  }

  /** Keeps the policy in force whose confirmation is waited for. */
  confirm(): void {
    Atomics.store(this.#deadline, 0, 0n);
  }

  /**
   * Goes back to the side before, whether its time has come or not. Returns its generation. What was made known to the
   * other side since is not known there: the policy is to be applied anew.
   */
  fallBack(): bigint {
    if (this.confirmBy === undefined) throw new Error('no policy waits for its confirmation');
    const fallback = BigInt(Atomics.load(this.#words('fallback'), 0));
    this.#setGeneration(fallback);
    this.confirm();
    this.#readers.wait();
    return fallback;
  }

  #words(field: keyof typeof Control.offset, length = 1): Uint32Array {
    return new Uint32Array(this.#control.buffer, Control.offset[field], length);
  }

  /** Hooks add to the upper half meanwhile. */
  #setGeneration(generation: bigint): void {
    for (;;) {
      const version = Atomics.load(this.#version, 0);
      const next = (version & ~GENERATION) | generation;
      if (Atomics.compareExchange(this.#version, 0, version, next) === version) return;
    }
  }

  /** Has allowed connections reported no more. What is judged, and how, stays. */
  reportDenialsAlone(): void {
    const sides = this.#words('flags', 2);
    for (const side of [0, 1]) Atomics.and(sides, side, ~SideFlag.record);
  }

  /** Has cgroups that came after one be unknown from a time on, nanoseconds since boot; 0: never. */
  setAlone(from: bigint, last: bigint): void {
    const alone = new BigUint64Array(this.#control.buffer, Control.offset.alone_from, 2);
    Atomics.store(alone, 1, last);
    Atomics.store(alone, 0, from);
  }

  /** How many ends of a side's rules have come, and when the next one does, nanoseconds since boot; 0: none. */
  setEnds(side: 0 | 1, ended: number, next: bigint): void {
    Atomics.store(this.#words('ended', 2), side, ended);
    Atomics.store(this.#nextEnd, side, next);
  }

  /** Says of a side whether cgroups that users have made are missing in `userCgroups`. */
  setUnlisted(side: 0 | 1, missing: boolean): void {
    Atomics.store(this.#words('unlisted', 2), side, missing ? 1 : 0);
  }

  /** Has cached subjects worked out anew, after cgroups were added to `subjects`. */
  renewSubjects(): void {
    Atomics.add(this.#version, 0, VERSION_SUBJECTS);
  }

  /** Has every process reported again at its next connection. */
  tellAgain(): void {
    Atomics.add(this.#words('tellings'), 0, 1);
    this.renewSubjects();
  }

  /** Connections of this thread group to the canary address get EPERM; 0 switches it off. */
  setCanary(pid: number): void {
    Atomics.store(this.#words('canary'), 0, pid);
  }

  /**
   * Adds the identity of a process older than us, unless its exec was seen after all, with the path of the
   * script that it runs, if any. Returns false when it is gone. Only where `canPrime`.
   */
  prime(pid: number, running: RunningImage): boolean {
    return addImage(pid, running, { identities: this.#identities, scripts: this.#scripts });
  }

  /** The files open in this process, or in a child of it by its pid. May hold those of other children. */
  openFiles(pid: number = process.pid): OpenFile[] {
    return readOpenFiles(this.#object.iterate('open_files', pid));
  }

  /** The file that a path means. It is not held open afterwards, so it may get another object. */
  identify(path: string): FileObject | undefined {
    return findFile(path, () => this.openFiles());
  }

  /** What runs at present. */
  runningPrograms(): RunningProgram[] {
    return readRunningPrograms(this.#object.iterate('running_programs'));
  }

  /**
   * Reads and removes what was folded so far, each count once. `settle` is called between: what was reported
   * of it in the rings is there by then. Returns whether there was room for all of it.
   */
  takeFolds(visitor: FoldVisitor, settle: () => void): boolean {
    if (this.#folds.empty && !this.#repeats.due) return true;
    const epochs = this.#words('epoch');
    const epoch = (Atomics.add(epochs, 0, 1) + 1) >>> 0;
    this.#readers.wait();
    settle();
    takeFoldsBefore(epoch, this.#folds, visitor);
    return this.#repeats.takeBefore(epoch, visitor);
  }

  /** Sum over all CPUs, by `Counter`. */
  counters(): number[] {
    const counters = this.#counters.sums(COUNTERS);
    counters[Counter.skippedRun] = this.#object.skippedRuns;
    return counters;
  }

  /** Detaches every program: from here on nothing is judged. */
  [Symbol.dispose](): void {
    const memory = [this.#policy, this.#policy6, this.#policy6Low, this.#control];
    const rest = [this.#readers, this.#object];
    for (const part of [this.connections, this.denials, this.#repeats, ...memory, ...rest])
      part[Symbol.dispose]();
  }
}
