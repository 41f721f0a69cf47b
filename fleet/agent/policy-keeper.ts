import { createHash } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ControlRequest } from '../../daemon/control/control-request.ts';
import { Turns } from '../../daemon/control/turns.ts';
import { formatAddress } from '../../policy/value/address.ts';
import { blocksSome } from '../../policy/meaning/mode.ts';
import type { Policy } from '../../policy/meaning/policy.ts';
import type { EnforcementStatus } from '../../profiler/serve/live-status.ts';
import type { Subject } from '../../profiler/read/observation.ts';
import type { FleetHost } from '../self/host-file.ts';
import type { AgentIdentity } from '../self/identity-file.ts';
import type { InForce, Offer } from '../wire/message.ts';
import { verifyOffer } from '../wire/verify-offer.ts';
import { weekOf, weekStart } from '../wire/week.ts';
import { ownAddresses } from './evidence/own-address.ts';
import type { AgentMemory } from './memory.ts';
import { cutOff, type HubPlace } from './policy/cut-off.ts';
import { readBody, refusalOf, Refused } from './policy/examine.ts';
import type { HeldPolicies, HeldPolicy } from './policy/held.ts';
import { isStale, localPolicy, modeAt } from './policy/local-policy.ts';

/** For how long a policy that blocks holds unless a hub was reached under it, seconds. */
const TRIAL = 60;
/** Before its end, when this process takes it back itself; and between two attempts to reach a hub. Milliseconds. */
const MARGIN = 5000;
const RETRY = 1000;
/** Before what cut this host off is tried again, milliseconds: each time costs it its connections for a trial. */
const MAKE_AGAIN = 600_000;
/** What this version knows of policies. */
export const FEATURES: readonly string[] = ['host', 'user'];

type Control = (request: ControlRequest) => Promise<string>;

/** What a keeper of policies has to do with others. */
export interface KeeperParts {
  held: HeldPolicies;
  memory: AgentMemory;
  identity: () => AgentIdentity;
  host: () => FleetHost | undefined;
  /** Asks who enforces; undefined: no policy of the fleet is taken here. */
  control: Control | undefined;
  /** What is in force there; undefined where that is not known. */
  status: () => Promise<EnforcementStatus | undefined>;
  /** How a connection of this process looks. */
  self: () => Subject;
  hubs: () => Promise<readonly HubPlace[]>;
  /** Reaches a hub by a fresh connection. */
  reach: () => Promise<void>;
  /** Told whether the policy in force holds as it was made anew, for another name of this host or other addresses. */
  made: (holds: boolean) => void;
  /** Told that `inForce` has changed. */
  changed: () => void;
  say: (text: string) => void;
  policyBytes: () => number;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** Seconds, where it is not the usual one. */
  trial?: number;
}

/** Takes policies of a hub, puts them in force, and goes back where they cut this host off. */
export class PolicyKeeper {
  readonly #parts: KeeperParts;
  #current: HeldPolicy | undefined;
  #state = { confirmed: false, fallback: false };
  /** In what the policy in force was made: a change of it takes another one. */
  #made = '';
  /** What that one was not to be made in, and until when; milliseconds since the epoch. */
  #unmade = { making: '', until: 0 };
  /** How many times a policy had been put in force there when that was the one on trial. */
  #generation: number | undefined;
  readonly #turns = new Turns();

  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  /** What is enforced now; null where that is nothing of a fleet. */
  get inForce(): InForce | null {
    if (this.#current === undefined) return null;
    const { manifest, placement } = this.#current;
    const now = this.#parts.now();
    return {
      workload: manifest.workload,
      revision: manifest.revision,
      digest: Buffer.from(placement.digest, 'hex'),
      mode: modeAt(this.#current, now),
      ...this.#state,
      stale: isStale(this.#current, now),
    };
  }

  /** Looks at what is in force when this process begins. A policy that an agent before was trying is taken back. */
  async begin(): Promise<void> {
    const status = await this.#parts.status();
    const { control, held } = this.#parts;
    const good = held.lastGood();
    if (control === undefined || status === undefined) return;
    let fallback = false;
    let now: EnforcementStatus | undefined = status;
    if (status.confirmBy !== undefined && status.pauses === undefined) {
      await control({ ask: 'rollback' }).catch(() => undefined);
      fallback = true;
      now = await this.#parts.status();
    }
    if (good !== undefined && now !== undefined && this.#holds(good, now)) {
      this.#current = good;
      this.#state = { confirmed: true, fallback };
      this.#made = this.#making(good);
    }
    this.#noteRevision();
  }

  /** Takes an offer: verified, stored, in force, and confirmed by reaching a hub. Throws `Refused` where it is not taken. */
  async take(offer: Offer, taken: () => void): Promise<void> {
    await this.#turns.take(async () => {
      const { control, held } = this.#parts;
      if (control === undefined)
        throw new Refused(
          'apply',
          'this host takes no policy of the fleet: bouheki enforce without a policy does',
        );
      const verified = this.#verify(offer);
      if (this.#isInForce(verified)) return taken();
      await this.#requireHubs(this.#local(readBody(verified.body), verified));
      let stored: HeldPolicy;
      try {
        stored = held.store(offer, verified);
      } catch (error) {
        throw refusalOf('storage', error);
      }
      await this.#apply(stored, control, taken);
    });
  }

  /** To be called now and then: a policy may have become stale, or this host have got other addresses. */
  async tick(): Promise<void> {
    await this.#turns.take(async () => {
      const { control } = this.#parts;
      const status = await this.#parts.status();
      if (control === undefined || status === undefined) return;
      const here = this.#current ?? this.#parts.held.lastGood();
      // Somebody on this host may have put another one in force, and this one again.
      const holds = here !== undefined && this.#holds(here, status);
      if (holds !== (this.#current !== undefined)) {
        this.#current = holds ? here : undefined;
        this.#noteRevision();
        this.#parts.changed();
      }
      if (!holds || status.confirmBy !== undefined) return;
      if (this.#made !== this.#making(here)) await this.#makeAnew(here, control);
      if (!this.#state.confirmed) await this.#confirmLate();
    });
  }

  /**
   * For another name of this host or other addresses, as a new policy: rules for a label may cut it off, too. Without a
   * hub that one could not be confirmed, so it waits for one.
   */
  async #makeAnew(here: HeldPolicy, control: Control): Promise<void> {
    const { made, now, reach, say } = this.#parts;
    const making = this.#making(here);
    if (making === this.#unmade.making && now() < this.#unmade.until) return;
    let why = 'under it no hub was reached';
    try {
      const policy = this.#local(readBody(here.body), here);
      await this.#requireHubs(policy);
      if (blocksSome(policy) && !(await isDone(reach()))) return;
      const until = await this.#putOnTrial(here, control);
      if ((await this.#confirm(here, until, control)) !== 'gone') {
        this.#made = making;
        made(true);
        return this.#parts.changed();
      }
    } catch (error) {
      why = (error as Error).message;
    }
    this.#unmade = { making, until: now() + MAKE_AGAIN };
    say(`The policy of the fleet cannot be made anew for this host, and stays as it was: ${why}\n`);
    made(false);
  }

  /** Returns by when it has to be confirmed where it blocks, milliseconds since the epoch. */
  async #putOnTrial(next: HeldPolicy, control: Control): Promise<number> {
    const within = this.#parts.trial ?? TRIAL;
    const began = this.#parts.now();
    const status = await this.#parts.status();
    await control({ ask: 'apply', file: next.file, within });
    // Not asked for afterwards: where this process stood still meanwhile, that is the one of another policy already.
    this.#generation = status && status.generation + 1;
    return began + within * 1000;
  }

  /** One that blocks nothing stays without a hub, and is confirmed when one is there. */
  async #confirmLate(): Promise<void> {
    if (!(await isDone(this.#parts.reach()))) return;
    this.#state = { ...this.#state, confirmed: true };
    this.#parts.changed();
  }

  #isInForce({ manifest, placement }: Pick<HeldPolicy, 'manifest' | 'placement'>): boolean {
    const current = this.#current;
    return (
      current !== undefined &&
      current.manifest.revision === manifest.revision &&
      current.placement.digest === placement.digest &&
      current.placement.mode === placement.mode
    );
  }

  #verify(offer: Offer) {
    const { held, identity, now, policyBytes } = this.#parts;
    const { authorKeys, authorThreshold, hostId, hubKey } = identity();
    let seen;
    try {
      seen = held.seen();
    } catch (error) {
      // Without it an older policy could come back.
      throw refusalOf('storage', error);
    }
    const good = held.lastGood();
    const verified = verifyOffer(offer, {
      authorKeys,
      authorThreshold,
      hubKey,
      host: hostId,
      workload: seen?.workload,
      highest: seen && { revision: seen.revision, manifest: seen.manifest },
      features: FEATURES,
      policyBytes: policyBytes(),
      now: now(),
      stored: (digest) => [this.#current, good].find((each) => each?.placement.digest === digest)?.body,
    });
    if ('refused' in verified) throw new Refused(verified.refused.code, verified.refused.message);
    return verified;
  }

  async #requireHubs(policy: Policy): Promise<void> {
    if (!blocksSome(policy)) return;
    const { hubs, now, self } = this.#parts;
    const lost = cutOff(policy, self(), await hubs(), now() * 1000);
    if (lost !== undefined)
      throw new Refused('cut-off', `under this policy the agent could not reach the hub ${lost}`);
  }

  async #apply(next: HeldPolicy, control: Control, taken: () => void): Promise<void> {
    const { memory, now } = this.#parts;
    const before = { current: this.#current, made: this.#made, state: this.#state };
    const began = now();
    // What is denied from now on is of this revision: a little too much, rather than what it denies at once.
    memory.judgedBy(next.manifest.revision, began * 1000, oldest(began));
    let until: number;
    try {
      until = await this.#putOnTrial(next, control);
    } catch (error) {
      this.#noteRevision();
      throw refusalOf('apply', error);
    }
    this.#current = next;
    this.#made = this.#making(next);
    this.#state = { confirmed: false, fallback: false };
    taken();
    const end = await this.#confirm(next, until, control);
    if (end === 'kept') return;
    if (end === 'confirmed') this.#state = { confirmed: true, fallback: false };
    else {
      [this.#current, this.#made] = [before.current, before.made];
      this.#state = { confirmed: before.state.confirmed, fallback: true };
      this.#noteRevision();
    }
    this.#parts.changed();
  }

  /** What becomes of the policy in force: a hub was reached in time under it, or it stays without, or it is taken back. */
  async #confirm(
    current: HeldPolicy,
    until: number,
    control: Control,
  ): Promise<'confirmed' | 'kept' | 'gone'> {
    const { held, now, reach, say } = this.#parts;
    const margin = Math.min(MARGIN, (until - now()) / 4);
    let why = '';
    while (now() < until - margin) {
      try {
        await reach();
        const standing = await this.#standing(current);
        if (standing === 'gone') break;
        if (standing === 'on trial') await control({ ask: 'confirm' });
        held.keep(current);
        return 'confirmed';
      } catch (error) {
        why = (error as Error).message;
      }
      await sleep(RETRY);
    }
    const standing = await this.#standing(current);
    if (standing === 'in force') {
      held.keep(current);
      return 'kept';
    }
    say(
      `No hub was reached under revision ${current.manifest.revision} (${why}): the policy before it comes back.\n`,
    );
    // The kernel does it by itself a moment later, whatever becomes of this.
    if (standing === 'on trial') await control({ ask: 'rollback' }).catch(() => undefined);
    return 'gone';
  }

  /**
   * What the kernel makes of a policy that was put in force: it may have gone back by itself, if this process was late.
   * The one before may have the same text in another mode, so only the generation tells them apart.
   */
  async #standing(held: HeldPolicy): Promise<'in force' | 'on trial' | 'gone'> {
    const status = await this.#parts.status();
    if (status?.policyHash !== hashOf(held) || status.generation !== this.#generation) return 'gone';
    return status.confirmBy === undefined ? 'in force' : 'on trial';
  }

  /**
   * Whether a status is of this policy. Modes are those of now, of the placement where it became stale meanwhile, and of
   * nothing while it pauses.
   */
  #holds(held: HeldPolicy, { mode, pauses, policyHash }: EnforcementStatus): boolean {
    const modes = [held.placement.mode, modeAt(held, this.#parts.now())];
    return policyHash === hashOf(held) && (pauses !== undefined || modes.includes(mode));
  }

  #local(policy: Policy, held: Pick<HeldPolicy, 'manifest' | 'placement'>): Policy {
    return localPolicy(policy, {
      host: this.#parts.host(),
      own: ownAddresses(networkInterfaces()),
      mode: modeAt(held, this.#parts.now()),
    });
  }

  #making(held: HeldPolicy): string {
    const own = ownAddresses(networkInterfaces()).map(formatAddress).toSorted();
    return JSON.stringify([modeAt(held, this.#parts.now()), own, this.#parts.host()]);
  }

  #noteRevision(): void {
    const now = this.#parts.now();
    this.#parts.memory.judgedBy(this.#current?.manifest.revision ?? 0, now * 1000, oldest(now));
  }
}

async function isDone(work: Promise<void>): Promise<boolean> {
  return await work.then(
    () => true,
    () => false,
  );
}

/** What is older is not sent again as a denial of some revision. Microseconds. */
function oldest(now: number): number {
  return weekStart(weekOf(now * 1000) - 8);
}

/** As the record and a status name a policy. */
function hashOf({ body }: HeldPolicy): string {
  return createHash('sha256').update(body).digest('hex').slice(0, 12);
}
