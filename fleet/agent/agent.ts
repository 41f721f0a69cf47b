import { readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { askControl } from '../../daemon/control/control-client.ts';
import { isEventLoss, openLive } from '../../profiler/read/read.ts';
import type { Subject } from '../../profiler/read/observation.ts';
import type { FleetStatus, LiveStatus } from '../../profiler/serve/live-status.ts';
import { type FleetHost, readHostFile, writeHostFile } from '../self/host-file.ts';
import { type AgentIdentity, readIdentity } from '../self/identity-file.ts';
import { ENFORCE } from '../wire/feature.ts';
import type { AgentState, Counters, HubMessage, InForce, Limits, Refusal, Welcome } from '../wire/message.ts';
import { DeniedKeys } from './evidence/denied-keys.ts';
import { HubLink } from './hub-link.ts';
import { LiveEvidence } from './live.ts';
import { AgentMemory } from './memory.ts';
import { FEATURES, PolicyKeeper } from './policy-keeper.ts';
import { refusalOf } from './policy/examine.ts';
import { HeldPolicies } from './policy/held.ts';
import { believe, endOf, isDue, renew, trustHashes } from './renewal.ts';
import { LIMITS, limitsOf, MOST_KEYS, Uplink } from './uplink.ts';
import { Watch } from './watch.ts';

/** Between two looks at certificate and policy, milliseconds. */
const LOOK = 60_000;
/** Before a certificate that a hub does not take is renewed again, milliseconds. */
const RENEW_AGAIN = 60_000;
/** Before a name of this host is taken again that cut it off, milliseconds. */
const NAME_AGAIN = 600_000;
/** Microseconds of a millisecond, and of an hour. */
const MILLISECOND = 1000;
const HOUR = 3_600_000_000;

/** What an agent is started with. */
export interface AgentOptions {
  db: string;
  directory: string;
  /** Whether policies are put in force here. */
  enforces: boolean;
  version: string;
  /** Seconds for which a policy that blocks is tried. */
  trial?: number;
}

/** Joins the record of this host, and who enforces here, with a hub. */
export class Agent {
  readonly #options: AgentOptions;
  readonly #say: (text: string) => void;
  readonly #signal: AbortSignal;
  readonly #memory: AgentMemory;
  readonly #link: HubLink;
  readonly #uplink: Uplink;
  readonly #live: LiveEvidence;
  readonly #watch: Watch;
  readonly #keeper: PolicyKeeper;
  #identity: AgentIdentity;
  #limits: Limits = LIMITS;
  #self: Subject = selfSubject();
  #host: FleetHost | undefined;
  /** What this host was called before, while the policy in force is made anew for another name. */
  #formerHost: FleetHost | undefined;
  #refusedHost: { host: FleetHost; until: number } | undefined;
  #renewed = Number.NEGATIVE_INFINITY;
  readonly #denied = new DeniedKeys(MOST_KEYS);

  /** Throws BouhekiError where this host has no whole identity. */
  constructor(options: AgentOptions, say: (text: string) => void, signal: AbortSignal) {
    const { db, directory, enforces } = options;
    const identity = readIdentity(directory);
    if (identity === undefined) throw new Error(`there is no identity in ${directory}`);
    this.#options = options;
    this.#say = say;
    this.#signal = signal;
    this.#identity = identity;
    this.#memory = new AgentMemory(directory, identity.hostId);
    this.#host = readHostFile(directory);
    this.#link = new HubLink(identity, Math.floor(Math.random() * 1000));
    const hub = () => this.#link.hub;
    const failed = this.#link.fail.bind(this.#link);
    this.#uplink = new Uplink({
      db,
      hostId: identity.hostId,
      memory: this.#memory,
      hub,
      failed,
      limits: () => this.#limits,
      denied: this.#denied,
      say,
      signal,
    });
    this.#live = new LiveEvidence({
      db,
      signal,
      host: (nameOf) => this.#uplink.host(nameOf),
      revisionAt: (time) => this.#memory.revisionAt(time),
      send: async (rows) => {
        this.#denied.happened(rows);
        if (!(await this.#uplink.send(rows, [], false))) this.#uplink.resend(this.#memory.acknowledged, 0);
      },
      self: (subject) => (this.#self = subject),
    });
    this.#keeper = new PolicyKeeper({
      held: new HeldPolicies(directory),
      memory: this.#memory,
      identity: () => this.#identity,
      host: () => this.#host,
      control: enforces ? async (request) => await askControl(db, request) : undefined,
      status: async () => (await this.#status())?.enforcement,
      self: () => this.#self,
      hubs: async () => await this.#link.places(),
      reach: async () => await this.#link.reach(),
      made: (holds) => this.#made(holds),
      changed: () => void this.#watch.report(),
      say,
      policyBytes: () => this.#limits.policyBytes,
      now: Date.now,
      ...(options.trial !== undefined && { trial: options.trial }),
    });
    this.#watch = new Watch({
      hub,
      failed,
      state: async () => await this.#state(),
      take: (message, answer) => this.#take(message, answer),
      shutOut: async () => await this.#renew(),
      say,
      signal,
    });
  }

  /** How this host stands with its fleet now. */
  get status(): FleetStatus {
    const inForce = this.#keeper.inForce;
    return {
      connected: this.#watch.connected,
      hub: this.#link.address,
      acknowledged: this.#memory.acknowledged,
      unsentRows: this.#uplink.unsent,
      certificateEnds: endOf(this.#identity) * MILLISECOND,
      ...(inForce && { policy: policyOf(inForce) }),
    };
  }

  /** Until the signal comes. */
  async run(): Promise<void> {
    await this.#untilRecorder();
    await this.#keeper.begin();
    await Promise.all([this.#watch.run(), this.#uplink.run(), this.#live.run(), this.#look()]);
    this.#link.close();
  }

  /** The recorder that has started this process may not answer yet. */
  async #untilRecorder(): Promise<void> {
    while (!this.#signal.aborted && (await this.#status())?.recording === undefined) await this.#pause(200);
  }

  async #look(): Promise<void> {
    while (!this.#signal.aborted) {
      if (isDue(this.#identity, Date.now())) await this.#renew();
      await this.#keeper.tick();
      await this.#pause(LOOK);
    }
  }

  async #renew(): Promise<void> {
    if (performance.now() - this.#renewed < RENEW_AGAIN) return;
    this.#renewed = performance.now();
    try {
      this.#identity = await renew(this.#options.directory, this.#identity, Date.now());
      this.#link.renew(this.#identity);
    } catch (error) {
      this.#say(`The certificate of this host cannot be renewed now: ${(error as Error).message}\n`);
    }
  }

  #take(message: HubMessage, answer: (refusal: Refusal | null) => void): void {
    switch (message.it) {
      case 'welcome':
        this.#welcome(message.welcome!);
        break;
      case 'limits':
        this.#limits = limitsOf(message.limits!);
        this.#uplink.retime();
        break;
      case 'pace':
        this.#uplink.pace(message.pace!);
        break;
      case 'trust':
        this.#believe(message.trust!.trustBundle);
        break;
      case 'resend':
        this.#uplink.resend(message.resend!.since * MILLISECOND, message.resend!.spreadSeconds);
        break;
      case 'offer':
        void this.#offered(message, answer);
        break;
      case 'goodbye':
    }
  }

  async #offered({ offer }: HubMessage, answer: (refusal: Refusal | null) => void): Promise<void> {
    try {
      await this.#keeper.take(offer!, () => answer(null));
    } catch (error) {
      const { refusal } = refusalOf('apply', error);
      this.#say(`A policy of the fleet is refused (${refusal.code}): ${refusal.message}\n`);
      answer(refusal);
    }
  }

  #welcome({ hostId: id, labels, name, timeline }: Welcome): void {
    const before = this.#memory.timeline;
    this.#memory.onTimeline(timeline);
    if (before !== '' && before !== timeline) this.#uplink.resend(this.#memory.acknowledged - HOUR, 60);
    const host = { id, name, labels };
    const refused = this.#refusedHost;
    if (isSame(host, this.#host)) return;
    if (refused !== undefined && isSame(host, refused.host) && performance.now() < refused.until) return;
    const former = this.#formerHost ?? this.#host;
    if (!this.#call(host)) return;
    this.#formerHost = former;
    void this.#keeper.tick();
  }

  /** Whoever enforces reads the file, also at its next start: a name under which no hub was reached must not stay there. */
  #made(holds: boolean): void {
    const [former, host] = [this.#formerHost, this.#host];
    this.#formerHost = undefined;
    if (holds || former === undefined || host === undefined) return;
    this.#refusedHost = { host, until: performance.now() + NAME_AGAIN };
    this.#call(former);
  }

  /** Whether what this host is called is stored. */
  #call(host: FleetHost): boolean {
    try {
      writeHostFile(host, this.#options.directory);
      this.#host = host;
      return true;
    } catch (error) {
      this.#say(`What this host is called in the fleet cannot be stored: ${(error as Error).message}\n`);
      return false;
    }
  }

  #believe(bundle: readonly Buffer[]): void {
    try {
      this.#identity = believe(this.#options.directory, this.#identity, bundle);
      this.#link.renew(this.#identity);
    } catch (error) {
      this.#say(`The authorities of the fleet cannot be stored: ${(error as Error).message}\n`);
    }
  }

  async #state(): Promise<Omit<AgentState, 'instance' | 'nonce' | 'refusal' | 'clock'>> {
    return {
      agentVersion: this.#options.version,
      features: [...FEATURES, ...(this.#options.enforces ? [ENFORCE] : [])],
      inForce: this.#keeper.inForce,
      counters: countersOf(await this.#status(), this.#denied.fresh, this.#uplink.unsent),
      trustBundleHashes: trustHashes(this.#identity),
    };
  }

  /** Undefined while no recorder runs, or it does not answer. */
  async #status(): Promise<LiveStatus | undefined> {
    return await openLive(this.#options.db).catch(() => undefined);
  }

  async #pause(milliseconds: number): Promise<void> {
    await sleep(milliseconds, undefined, { signal: this.#signal }).catch(() => undefined);
  }
}

function policyOf({ mode, revision, stale, workload }: InForce): NonNullable<FleetStatus['policy']> {
  return { workload, revision, mode, stale };
}

function isSame(one: FleetHost, other: FleetHost | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function countersOf(status: LiveStatus | undefined, newDeniedKeys: number, unsentRows: number): Counters {
  const kinds = Object.entries(status?.lost ?? {}) as [keyof LiveStatus['lost'], number][];
  return {
    events: status?.events ?? 0,
    lost: kinds.reduce((sum, [kind, count]) => sum + (isEventLoss({ kind }) ? count : 0), 0),
    denied: status?.enforcement?.denied ?? 0,
    wouldDeny: status?.enforcement?.wouldBeDenied ?? 0,
    newDeniedKeys,
    breakerTrips: status?.enforcement?.opened?.length ?? 0,
    unsentRows,
  };
}

/** How connections of this process look to the kernel, until one was seen. */
function selfSubject(): Subject {
  const [cgroup] = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.slice(1) ?? [];
  const unit = cgroup?.split('/').findLast((part) => /\.(?:service|scope)$/.test(part));
  return {
    command: readFileSync('/proc/self/comm', 'utf8').trim(),
    exe: readlinkSync('/proc/self/exe'),
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    inContainer: false,
    ...(cgroup !== undefined && { cgroup }),
    ...(unit !== undefined && { unit }),
  };
}
