import { visible } from '../error/visible.ts';
import { createHash } from 'node:crypto';
import { cgroupRoot } from '../host/cgroup-root.ts';
import { bootTime, hostClock } from '../bpf/clock.ts';
import type { Egress } from '../bpf/egress.ts';
import { SideFlag } from '../bpf/wire.ts';
import { SystemError } from '../bpf/libbpf.ts';
import { applyPolicy, confirmPolicy, type NameSides } from '../enforcer/apply.ts';
import { BouhekiError } from '../error/error.ts';
import { sizeOf } from '../enforcer/vector/box-vector.ts';
import { cgroupPaths } from '../enforcer/cgroup-list.ts';
import { allowsSomeToNobody, compilePolicy, type CompiledPolicy } from '../enforcer/compile.ts';
import { ContainerFiles } from '../enforcer/container/container-files.ts';
import { ContainerWatch } from '../enforcer/container/container-watch.ts';
import { type AccountChange, AccountWatch } from '../enforcer/account-watch.ts';
import { EndWatch } from '../enforcer/end-watch.ts';
import { asksFor } from '../enforcer/executable-entry.ts';
import { type ExecutableChange, ExecutableWatch } from '../enforcer/executable-watch.ts';
import type { KnownCgroup } from '../enforcer/known-cgroup.ts';
import { formatMoment } from '../format/moment.ts';
import { ruleEnds } from '../policy/meaning/end.ts';
import { namedAccounts } from '../policy/meaning/named-account.ts';
import { subjectBoxes } from '../policy/meaning/mode.ts';
import type { Policy } from '../policy/meaning/policy.ts';
import { AccountIds } from '../profiler/identity/account-id.ts';
import { atMost } from '../profiler/identity/at-most.ts';
import type { ContainerNames } from '../profiler/identity/container.ts';
import type { PacketRules } from './backstop-notes.ts';
import { type CgroupListing, CgroupRoster } from './cgroup-roster.ts';
import type { NameService } from './name/name-service.ts';

/** How long a policy may wait for what its paths mean in containers, milliseconds. */
const PREPARATION = 15_000;

/** How long after its last `attend` a process counts as gone, nanoseconds. */
const ALONE_AFTER = 5_000_000_000n;

const CHANGES = {
  replaced: 'is another file now: its rules hold for that one, and for what still runs the one before',
  appeared: 'exists now: its rules hold',
  vanished: 'does not exist any more: until it does, no rule that names it matches what is started',
} as const;

/** The policy in force, kept true to the cgroups that come and go. */
export class Enforcement implements Disposable {
  readonly #egress: Egress;
  readonly #warn: (text: string) => void;
  readonly #root: string;
  readonly #roster: CgroupRoster;
  #compiled: CompiledPolicy | undefined;
  #executables: ExecutableWatch | undefined;
  /** What is known to keep patterns from being followed. */
  #faults = new Set<string>();
  #ids: AccountIds | undefined;
  #accounts: AccountWatch | undefined;
  readonly #ends: EndWatch;
  readonly #files = new ContainerFiles();
  #containers: ContainerWatch | undefined;
  /** For the policy that is to be applied next. */
  #prepared: { policy: Policy; containers: ContainerWatch; ids: AccountIds } | undefined;
  #policy: Policy | undefined;
  #over = false;
  /** From when on this process counts as gone, nanoseconds since boot; 0: never. */
  #aloneFrom = 0n;
  /** The youngest cgroup that was looked at before the last `attend`: all that are older were looked at. */
  #attended = 0n;
  /** What keeps names, or why there is nothing that does. */
  #names: NameService | string = 'no answers of resolvers are read';

  /**
   * `warn` receives one sentence about what cannot be held. `root`: where the hierarchy of cgroups is
   * mounted.
   */
  constructor(
    egress: Egress,
    names: ContainerNames,
    warn: (text: string) => void,
    root: string = cgroupRoot(),
  ) {
    this.#root = root;
    this.#egress = egress;
    this.#ends = new EndWatch(egress);
    this.#warn = (text) => warn(visible(text));
    const seen = (path: string): void => this.#followContainer(path);
    this.#roster = new CgroupRoster(egress, names, { root, warn: this.#warn, seen });
  }

  /** What policies by name go by; a text says why none can be put in force. */
  set names(names: NameService | string) {
    this.#names = names;
  }

  /** Whether it has ended: the kernel side may be gone. */
  get over(): boolean {
    return this.#over;
  }

  /** Stops writing to the kernel side. */
  [Symbol.dispose](): void {
    this.#over = true;
    this.#roster[Symbol.dispose]();
    this.#prepared?.containers[Symbol.dispose]();
    this.#prepared?.ids[Symbol.dispose]();
    this.#ids?.[Symbol.dispose]();
    this.#containers?.[Symbol.dispose]();
    this.#executables?.[Symbol.dispose]();
    this.#files[Symbol.dispose]();
  }

  /** The same, when what is in force may outlive this process. */
  end(outlives: boolean): void {
    this.attend(outlives, 0n);
    this[Symbol.dispose]();
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
    return {
      entries: sizeOf(backstop),
      closed: allowsSomeToNobody(compiled),
      sourceRoutes: sourceRoutes > 0,
    };
  }

  /** `exe` paths of the policy that mean no file on this host at present. */
  get unresolved(): readonly string[] {
    return this.#executables?.missing ?? [];
  }

  /** Users and groups of the policy that this host does not have at present. */
  get unknownAccounts(): readonly string[] {
    return this.#accounts?.missing.map(({ kind, name }) => `${kind} ${name}`) ?? [];
  }

  /** `exe` paths of the policy that mean no file in some containers, with the names of those. */
  get missingInside(): ReadonlyMap<string, readonly string[]> {
    return this.#containers?.missing ?? new Map();
  }

  /**
   * Finds out what a policy's paths mean in the containers that run, and its names of accounts to directory
   * services, so that it holds for them as soon as it is applied; without this it holds a moment later. Never
   * fails, and waits for none of them for long.
   */
  async prepare(policy: Policy): Promise<void> {
    const containers = this.#watchFor(policy);
    const ids = new AccountIds(namedAccounts(subjectBoxes(policy)));
    this.#prepared?.containers[Symbol.dispose]();
    this.#prepared?.ids[Symbol.dispose]();
    this.#prepared = { policy, containers, ids };
    await atMost(PREPARATION, ids.ready());
    if (!subjectBoxes(policy).some((box) => asksFor('container', box))) return;
    const places = cgroupPaths(this.#root, this.#egress.userCgroupRoom).flatMap(
      (path) => this.#roster.containerAt(path) ?? [],
    );
    await atMost(PREPARATION, containers.prepare(places));
  }

  /**
   * Puts a policy in force. When it can't be, the one before stays and a BouhekiError says why. With `confirmBy`, in
   * nanoseconds since boot, the kernel goes back to the one before by itself when that time has come, unless `confirm`
   * is called; no other is put in force meanwhile.
   */
  apply(policy: Policy, confirmBy?: bigint): bigint {
    if (this.confirmBy !== undefined) throw new Error('a policy waits for its confirmation');
    const boxes = subjectBoxes(policy);
    const executables = new ExecutableWatch(this.#egress, boxes);
    const prepared = this.#prepared?.policy === policy ? this.#prepared : undefined;
    this.#prepared = undefined;
    const containers = prepared?.containers ?? this.#watchFor(policy);
    const ids = prepared?.ids ?? new AccountIds(namedAccounts(boxes));
    const accounts = new AccountWatch(this.#egress, boxes, ids);
    const clock = hostClock();
    let compiled: CompiledPolicy;
    let listing: CgroupListing;
    let generation: bigint;
    try {
      compiled = compilePolicy(
        policy,
        (path) => executables.resolve(path),
        containers.known,
        accounts.resolve,
        executables.scripts,
      );
      listing = this.#roster.look(compiled.subjects);
      const { mode, modes, target } = policy;
      generation = applyPolicy(this.#egress, compiled, {
        mode,
        modes,
        target,
        record: true,
        cgroups: listing.found,
        expected: listing.expected,
        names: this.#namesFor(policy, compiled),
        confirmBy,
        clock,
      });
    } catch (error) {
      this.#followNames(this.#policy);
      executables[Symbol.dispose]();
      containers[Symbol.dispose]();
      ids[Symbol.dispose]();
      throw error;
    }
    this.#ids?.[Symbol.dispose]();
    this.#ids = ids;
    this.#accounts = accounts;
    this.#executables?.[Symbol.dispose]();
    this.#executables = executables;
    this.#faults = new Set();
    this.#reportFaults();
    this.#containers?.[Symbol.dispose]();
    this.#containers = containers;
    containers.begin();
    const ending = { ends: compiled.ends, rules: ruleEnds(policy) };
    this.#ends.begin(generation & 1n ? 1 : 0, ending, clock, confirmBy !== undefined);
    this.#compiled = compiled;
    this.#policy = policy;
    this.#roster.begin(compiled.subjects, listing);
    return generation;
  }

  /** By when the policy in force must be confirmed, nanoseconds since boot; undefined where it need not be. */
  get confirmBy(): bigint | undefined {
    return this.#over ? undefined : this.#egress.confirmBy;
  }

  /** Keeps the policy in force that waits for its confirmation. */
  confirm(): void {
    confirmPolicy(this.#egress, typeof this.#names === 'string' ? undefined : this.#names.verdicts);
  }

  /**
   * Goes back to what was in force before the policy that waits for its confirmation. It holds as it was left: `apply`
   * it at once, so that it knows the cgroups and executables that came meanwhile. Where that fails nothing is enforced.
   */
  fallBack(): void {
    this.#egress.fallBack();
  }

  /** Judges nothing any more: what was to take the place of a policy could not. */
  release(): void {
    this.#ends.clear();
    this.#egress.flip(SideFlag.record);
  }

  /** What keeps the names of a policy. Throws BouhekiError where it has some and there is nothing that does. */
  #namesFor(policy: Policy, { names }: CompiledPolicy): NameSides | undefined {
    const service = this.#followNames(policy);
    if (typeof service !== 'string') return service.verdicts;
    if (names.patterns.size === 0) return undefined;
    throw new BouhekiError(
      'policy',
      `the policy allows by DNS name, which takes reading DNS answers: ${service}`,
      {
        remedy: 'mend that, or allow addresses instead of names',
      },
    );
  }

  #followNames(policy: Policy | undefined): NameService | string {
    if (typeof this.#names !== 'string') this.#names.follow(policy?.names);
    return this.#names;
  }

  /** How many cgroups that users have made are not distinguished, at the least. */
  get unlisted(): number {
    return this.#roster.unlisted;
  }

  /** Lists the cgroups that the kernel side could not report, after it has counted some. */
  findLost(lost: number): void {
    this.#roster.findLost(lost);
  }

  /** Lists the cgroups that were made since the policy came into force, and not heard of. */
  findCgroups(): void {
    this.#roster.findCgroups();
  }

  /**
   * A cgroup was made: its container's rules are to hold from its first connection on, or as soon as it has a
   * name.
   */
  cgroupMade(id: bigint, path: string): void {
    this.#roster.cgroupMade(id, path);
  }

  /**
   * About once a second, while what is in force outlives this process: from some seconds after the last call on, and in
   * cgroups that were made after the last but one, denials by cgroup, unit and container hold and permissions do not.
   */
  attend(outlives: boolean, within: bigint = ALONE_AFTER): void {
    const egress = this.#egress;
    const now = bootTime();
    if (this.#attended === 0n) this.#attended = this.#roster.last;
    // Stopped for a while: what was judged meanwhile is judged anew.
    if (this.#aloneFrom !== 0n && this.#aloneFrom < now) egress.renewSubjects();
    this.#aloneFrom = outlives ? now + within : 0n;
    egress.setAlone(this.#aloneFrom, this.#attended);
    this.#attended = this.#roster.last;
  }

  /** Forgets the cgroups that are gone. */
  sweep(): void {
    this.#roster.sweep();
  }

  /** Sees which executables of the policy have become other files, and reports it. */
  followExecutables(): void {
    try {
      for (const { path, change } of this.#executables?.look() ?? [])
        this.#warn(`${path} ${CHANGES[change]}.`);
      this.#reportFaults();
      this.#containers?.look();
    } catch (error) {
      // No room. What was there before holds.
      if (!(error instanceof SystemError)) throw error;
      this.#warn(`no room to follow an executable (${error.message}): read the policy again with SIGHUP.`);
    }
  }

  /** Sees which users and groups of the policy have other ids, and reports it. */
  followAccounts(): void {
    this.#ids?.look();
    try {
      for (const change of this.#accounts?.look() ?? []) this.#warn(accountText(change));
    } catch (error) {
      // No room. It is tried again with the next look.
      if (!(error instanceof SystemError)) throw error;
      this.#warn(`no room to follow a user or group (${error.message}).`);
    }
  }

  /** Has the kernel follow the clock where rules end by themselves, and reports which have. */
  followEnds(): void {
    for (const { ended, rule, until } of this.#ends.look()) {
      const at = formatMoment(until);
      this.#warn(
        ended
          ? `rule "${rule}" has ended, at ${at}: it allows nothing any more.`
          : `the clock was set back: rule "${rule}" holds again, until ${at}.`,
      );
    }
  }

  /** Reports once what keeps patterns from being followed. */
  #reportFaults(): void {
    const faults = this.#executables?.faults ?? [];
    for (const fault of faults)
      if (!this.#faults.has(fault)) this.#warn(`${fault}: nothing in there is matched.`);
    this.#faults = new Set(faults);
  }

  #watchFor(policy: Policy): ContainerWatch {
    return new ContainerWatch(this.#egress, subjectBoxes(policy), this.#files, this.#root, {
      changed: (place, { change, path }: ExecutableChange) =>
        this.#warn(`${path} in ${nameOf(place)} ${CHANGES[change]}.`),
      failed: (place, { message }) =>
        this.#warn(
          `cannot find the executables of ${nameOf(place)} (${message}): until then no rule for one allows it anything, and each that denies one denies it.`,
        ),
    });
  }

  /** The container of a cgroup, if it has a name. */
  #followContainer(path: string): void {
    const place = this.#roster.containerOf(path);
    if (place) this.#containers?.follow(place);
  }
}

function accountText({ before, kind, name, now }: AccountChange): string {
  const id = kind === 'user' ? 'uid' : 'gid';
  if (now === undefined)
    return `${kind} ${name} does not exist any more: its rules allow nobody, and a deny holds for ${id} ${before} until another ${kind} has it.`;
  if (before === undefined) return `${kind} ${name} exists now, with ${id} ${now}: its rules hold.`;
  return `${kind} ${name} has ${id} ${now} now, not ${before}: its rules hold for that one.`;
}

function nameOf({ container, path }: KnownCgroup): string {
  return `container ${container ?? path}`;
}

/** What names a policy in logs and recordings: the first 12 digits of the SHA-256 of its text. */
export function policyHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
