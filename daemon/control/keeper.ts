import type { Guard } from '../../bpf/guard/guard.ts';
import type { About, KeptPolicy } from '../../bpf/pin/about.ts';
import { findKept, type Kept, policyOf, removeFolder } from '../../bpf/pin/kept.ts';
import { type AttachedProgram, Pins } from '../../bpf/pin/pins.ts';
import type { Attachment } from '../../bpf/probe.ts';
import { BouhekiError } from '../../error/error.ts';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { blocksSome } from '../../policy/meaning/mode.ts';
import type { Policy } from '../../policy/meaning/policy.ts';
import type { JudgingPolicy } from '../denial/generation-memory.ts';

/** A policy, and the file that it is from. */
type FiledPolicy = JudgingPolicy & { file: string };

/** What a policy comes into force with. */
export interface Trial {
  /** By when it must be confirmed, nanoseconds since boot. */
  confirmBy?: bigint | undefined;
  /** What holds where it is not. */
  former?: FiledPolicy | undefined;
  /** Whether it takes the place of what the kernel alone enforces. */
  takesOver: boolean;
}

export interface KeeperOptions extends Pick<About, 'version' | 'db'> {
  attachment: Attachment;
  /** What keeps others from undoing it. */
  guard?: Guard | undefined;
  say(text: string): void;
}

/** How often the pins are looked at, in calls of `tick`. */
const LOOK_EVERY = 10;

/**
 * Keeps a policy enforced that says `on_exit: keep`, whatever becomes of this process, and takes over what an earlier
 * one has kept. That is a swap as a whole: the programs of both judge, and what either denies is denied, until the
 * policy of this process is in force, confirmed and kept in its turn. So any version can take over from any other.
 */
export class Keeper {
  readonly #options: KeeperOptions;
  readonly #scope: string;
  #links: () => readonly AttachedProgram[] = () => [];
  #pins: Pins | undefined;
  #now: { policy: FiledPolicy; since: number; trial: Trial } | undefined;
  /** What processes have left that are gone, of the same scope. */
  #left: Kept[];
  #ticks = 0;
  #warned = false;
  /** Which policy the kernel alone enforced when this process began. */
  readonly before: KeptPolicy | undefined;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#scope = scopeOf(options.attachment);
    const { left, others } = tidy(this.#scope);
    this.#left = left;
    this.before = heldBy(left);
    for (const { about, pid } of others) {
      options.say(
        `Warning: the kernel alone goes on enforcing ${about === undefined ? 'a policy' : describeKept(about)}, which process ${pid} has left. \`bouheki detach\` ends that.\n`,
      );
    }
  }

  /** What is to be kept: the programs that are attached, at any time. */
  set links(links: () => readonly AttachedProgram[]) {
    this.#links = links;
  }

  /** Whether what is in force goes on when this process ends. */
  get keeps(): boolean {
    return this.#pins?.there === true;
  }

  /**
   * Before a policy comes into force: pins the programs if it is to be kept. Throws BouhekiError where that is not
   * possible. Returns what takes that back, where the policy does not come into force after all.
   */
  prepare(policy: FiledPolicy, trial: Trial): () => void {
    if (this.keeps || !isKept(policy.policy)) return () => undefined;
    this.release();
    this.#warned = false;
    const pins = Pins.create();
    try {
      pins.describe(this.#about(policy, Date.now() * 1000, trial));
      this.#pin(pins);
      pins.complete();
    } catch (error) {
      pins.remove();
      pins[Symbol.dispose]();
      throw error;
    }
    this.#pins = pins;
    return () => this.release();
  }

  /** A policy is in force. */
  inForce(policy: FiledPolicy, trial: Trial): void {
    this.#now = { policy, since: Date.now() * 1000, trial };
    this.#describe();
    if (trial.confirmBy === undefined) this.#settle();
  }

  /** What is in force is confirmed. */
  confirm(): void {
    const now = this.#now;
    if (now === undefined) return;
    now.trial = { takesOver: now.trial.takesOver };
    this.#describe();
    this.#settle();
  }

  /** What is in force ends with this process. */
  release(): void {
    this.#pins?.remove();
    this.#pins?.[Symbol.dispose]();
    this.#pins = undefined;
  }

  /** About once a second. */
  tick(): void {
    this.#ticks += 1;
    if (this.#warned || this.#pins === undefined || this.#ticks % LOOK_EVERY !== 0 || this.#pins.whole)
      return;
    this.#warned = true;
    this.#options.say(
      'Warning: the pins of the policy were removed: it ends with this process, in spite of on_exit: keep. A new start keeps it again.\n',
    );
  }

  /** Says of the pins what they hold, and pins what was attached since. */
  #describe(): void {
    const pins = this.#pins;
    const now = this.#now;
    if (pins === undefined || now === undefined || !pins.there) return;
    try {
      pins.describe(this.#about(now.policy, now.since, now.trial));
      this.#pin(pins);
    } catch (error) {
      // The policy is in force already.
      if (!(error instanceof BouhekiError)) throw error;
      this.#options.say(`Warning: ${error.message}.\n`);
    }
  }

  #pin(pins: Pins): void {
    const { guard } = this.#options;
    const links = this.#links();
    pins.add(links);
    guard?.cover(links);
    guard?.coverPins(pins.folder, pins.aboutFd);
  }

  /** While a policy waits for its confirmation, both that and the one before are kept if either is to be. */
  #settle(): void {
    const { policy, trial } = this.#now!;
    if (!isKept(policy.policy)) this.release();
    if (!trial.takesOver) return;
    const before = heldBy(this.#left);
    for (const { folder } of this.#left) removeFolder(folder);
    this.#left = [];
    if (before === undefined) return;
    const what = blocksSome(policy.policy) ? 'takes' : 'blocks nothing, and takes';
    this.#options.say(
      `The policy ${policy.hash} ${what} the place of ${before.hash} of ${before.file}, which the kernel alone enforced.\n`,
    );
  }

  #about(policy: FiledPolicy, since: number, { confirmBy, former }: Trial): About {
    const { attachment, db, guard, version } = this.#options;
    return {
      version,
      scope: this.#scope,
      backend: attachment.backend,
      db,
      policy: kept(policy),
      since,
      ...(confirmBy !== undefined && { confirmBy: String(confirmBy) }),
      ...(former && { former: kept(former) }),
      ...(guard && { guarded: true }),
    };
  }
}

/** What is watched: the whole host by any backend, or one cgroup. */
export function scopeOf(attachment: Attachment): string {
  if (attachment.backend !== 'cgroup' || attachment.cgroup === cgroupRoot()) return 'host';
  return attachment.cgroup;
}

/** The policy that the kernel alone enforces in a scope; undefined where none blocks there. */
export function keptAlone(scope: string): KeptPolicy | undefined {
  return heldBy((findKept() ?? []).filter((each) => !each.alive && each.about?.scope === scope));
}

/** A policy that the kernel enforces, in words. */
export function describeKept(about: About): string {
  const { file, hash } = policyOf(about);
  const scope = about.scope === 'host' ? '' : ` for ${about.scope}`;
  return `the policy ${hash} of ${file}${scope}${about.guarded ? ', guarded by a key' : ''}`;
}

/** Whether a policy is to outlive the process that enforces it. */
export function isKept(policy: Policy): boolean {
  return policy.onExit === 'keep' && blocksSome(policy);
}

function kept({ file, hash, policy }: FiledPolicy): KeptPolicy {
  return { file, hash, mode: blocksSome(policy) ? 'block' : 'monitor' };
}

function heldBy(left: readonly Kept[]): KeptPolicy | undefined {
  return left
    .flatMap(({ about, complete }) => (about === undefined || !complete ? [] : [policyOf(about)]))
    .findLast(({ mode }) => mode === 'block');
}

/**
 * Removes what processes have left that ended before their policy was in force, and what a later one has taken over: a
 * crash loop must not fill the kernel. Returns what is left of a scope, and what others have left.
 */
function tidy(scope: string): { left: Kept[]; others: Kept[] } {
  const dead = (findKept() ?? []).filter(({ alive }) => !alive);
  const ours = dead.filter(({ about, complete }) => complete && about?.scope === scope);
  const others = dead.filter(({ about, complete }) => complete && about?.scope !== scope);
  const last = ours.findLast(({ about }) => about!.confirmBy === undefined);
  const left = ours.filter(({ started }) => last === undefined || started >= last.started);
  const kept = new Set([...left, ...others]);
  for (const each of dead) if (!kept.has(each)) removeFolder(each.folder);
  return { left, others };
}
