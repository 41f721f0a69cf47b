import { bootTime } from '../../bpf/clock.ts';
import type { TrippedSubject } from '../denial/breaker.ts';
import { BouhekiError } from '../../error/error.ts';
import { renderFailure } from '../../error/failure.ts';
import { endNames } from '../../policy/meaning/end.ts';
import { blocksSome, modeNames, monitored } from '../../policy/meaning/mode.ts';
import type { Trial } from './keeper.ts';
import { describeOpened, openedPolicy, refusal } from './opened.ts';
import { describeExemption, describePause, pausedPolicy, type PauseRequest } from './pause.ts';
import type { How, InForce, ReadPolicy, SwitchParts } from './switch-parts.ts';
import { Turns } from './turns.ts';
import { describeComing, describeWait, refused, waitingError } from './waiting.ts';

/** Nanoseconds of a second. */
const SECOND = 1_000_000_000n;
/** For how long a timer may be set at once, milliseconds: it cannot wait for longer than 24 days. */
const LONGEST_WAIT = 86_400_000;

/**
 * Puts one policy in force after the other, and takes it back. One that must be confirmed goes out of force by itself
 * when its time has come: in the kernel at that moment, whatever becomes of this process, and here a moment later. What
 * is asked for is done in the order in which it is asked.
 */
export class PolicySwitch {
  readonly #parts: SwitchParts;
  readonly #read: (file: string) => ReadPolicy;
  readonly #describe: (file: string) => void;
  #current: ReadPolicy;
  /** What was in force before; undefined where there was nothing, and after it came back. */
  #former: ReadPolicy | undefined;
  /** Hash of the policy that was rolled back last: its file is not to bring it back unasked. */
  #refused: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** While the policy in force pauses: what was in force before it. */
  #pause: { former: ReadPolicy | undefined } | undefined;
  /** While a policy waits that was in force already: what was in force before it. */
  #again: { former: ReadPolicy | undefined } | undefined;
  readonly #turns = new Turns();

  /**
   * `first` has been read and is not in force yet. `read` reads a file from then on: it throws
   * BouhekiError where a policy is not valid or not to be trusted. `describe` says what is in force.
   */
  constructor(
    parts: SwitchParts,
    first: ReadPolicy,
    read: (file: string) => ReadPolicy,
    describe: (file: string) => void,
  ) {
    this.#parts = parts;
    this.#current = first;
    this.#read = read;
    this.#describe = describe;
  }

  /** Puts the first policy in force; with `within`, in seconds, until that time has passed without a confirmation. */
  async begin(within: number | undefined): Promise<void> {
    await this.#turns.take(() => this.#putInForce(this.#current, within));
  }

  /** What is in force, and by when it must be confirmed, in words. */
  describe(): string {
    this.#describe(this.#current.file);
    return describeWait(this.#parts.enforcement.confirmBy, this.#former);
  }

  /** The same in a few words, of which none is from a file's name. */
  get summary(): string {
    const { policyHash } = this.#parts.inForce;
    const wait = this.#pause ? ', paused' : this.#waits ? ', waits for `bouheki confirm`' : '';
    return `${blocksSome(this.#parts.inForce) ? 'Blocking' : 'Monitoring'} by ${policyHash}${wait}`;
  }

  /** Stops waiting for a confirmation: the kernel side is about to go. */
  end(): void {
    clearTimeout(this.#timer);
  }

  /** Reads the file of the policy in force again. Never fails: the one before stays then. Orders that wait are one. */
  reload(): void {
    void this.#turns.takeOnce('reload', () => this.#readAgain());
  }

  /**
   * Puts the policy of a file in force, and of that file from now on. Returns what there is to say. Throws BouhekiError
   * where it cannot be, and while another one waits for its confirmation; what was in force stays.
   */
  async apply(file: string, within: number | undefined): Promise<string> {
    return await this.#turns.take(async () => {
      if (this.#waits) throw this.#waiting();
      await this.#bring(this.#read(file), within);
      this.#refused = undefined;
      return this.#described(within);
    });
  }

  /** Keeps the policy that waits for its confirmation. Throws BouhekiError where none does any more. */
  async confirm(): Promise<string> {
    return await this.#turns.take(async () => {
      const { confirmBy } = this.#parts.enforcement;
      if (this.#pause !== undefined) throw this.#waiting();
      if (confirmBy === undefined || confirmBy <= bootTime()) {
        throw refused('no policy waits for its confirmation');
      }
      this.#stopWaiting();
      this.#parts.enforcement.confirm();
      this.#parts.keeper.confirm();
      if (this.#again !== undefined) this.#former = this.#again.former;
      this.#again = undefined;
      const text = `Confirmed: the policy ${this.#current.hash} of ${this.#current.file} stays in force.\n`;
      this.#parts.say(text);
      return text;
    });
  }

  /**
   * Goes back to the policy that was in force before; where there was none, the one in force goes on in monitor mode:
   * nothing is blocked. Returns what there is to say. Throws BouhekiError where there is nothing to go back to.
   */
  async rollBack(): Promise<string> {
    return await this.#turns.take(async () => {
      if (this.#parts.enforcement.over) return '';
      if (this.#pause !== undefined) return await this.#endPause();
      if (this.#former === undefined && !blocksSome(this.#current.policy)) {
        throw refused(
          'there is nothing to go back to: nothing is blocked, and no policy was in force before',
        );
      }
      return await this.#goBack('Rolled back');
    });
  }

  /**
   * Exempts somebody from the policy in force, or everybody, for a time whose end is the kernel's. Throws BouhekiError
   * where nothing is blocked, or a policy waits for its confirmation.
   */
  async pause(request: PauseRequest): Promise<string> {
    return await this.#turns.take(async () => {
      if (this.#waits) throw this.#waiting();
      const { policy, ...rest } = this.#current;
      if (!blocksSome(policy)) {
        throw refused('nothing is blocked, so nothing can be exempt');
      }
      const former = this.#former;
      const paused = { ...rest, policy: pausedPolicy(policy, request.exempt) };
      await this.#exchange(paused, request.seconds, { pauses: describeExemption(request.exempt) });
      this.#pause = { former };
      const text = describePause(request);
      this.#parts.say(text);
      return text;
    });
  }

  /** Ends a pause before its time. Throws BouhekiError where there is none. */
  async resume(): Promise<string> {
    return await this.#turns.take(async () => {
      if (this.#pause !== undefined) return await this.#endPause();
      throw refused('nothing is paused');
    });
  }

  /**
   * Has a subject only monitored that the breaker has found, beside what the policy says, until `rearm` or another
   * policy. Not while a policy waits or pauses. Never fails: the policy in force stays then.
   */
  async monitorToo(subject: TrippedSubject): Promise<void> {
    await this.#turns.take(async () => {
      const { enforcement, say } = this.#parts;
      const opened = this.#current.opened?.names ?? [];
      if (enforcement.over || opened.includes(subject.name)) return;
      const why = refusal(subject, opened.length, this.#waits);
      try {
        if (why === undefined)
          await this.#replace(openedPolicy(this.#current, subject), describeOpened(subject));
        else say(why);
      } catch (error) {
        say(renderFailure(error));
      }
    });
  }

  /** Takes back what the breaker has opened. Throws BouhekiError where that is nothing. */
  async rearm(): Promise<string> {
    return await this.#turns.take(async () => {
      if (this.#waits) throw this.#waiting();
      const closed = this.#current.opened?.closed;
      if (closed === undefined) throw refused('the breaker has opened nothing');
      const text = `Rearmed: the policy ${closed.hash} of ${closed.file} holds for every subject again.\n`;
      return await this.#replace(closed, text);
    });
  }

  /** To be called about once a second: a timer stands still while the host is asleep. */
  tick(): void {
    const { confirmBy } = this.#parts.enforcement;
    if (confirmBy !== undefined && confirmBy <= bootTime()) void this.#turns.take(() => this.#expire());
  }

  get #waits(): boolean {
    return this.#parts.enforcement.confirmBy !== undefined;
  }

  /** Puts a policy in the place of the one in force, as if that had not been. */
  async #replace(next: ReadPolicy, text: string): Promise<string> {
    const former = this.#former;
    await this.#exchange(next, undefined);
    this.#former = former;
    this.#parts.say(text);
    return text;
  }

  async #readAgain(): Promise<void> {
    const { say } = this.#parts;
    if (this.#waits) {
      const what = this.#pause === undefined ? 'a policy waits for its confirmation' : 'the policy is paused';
      say(`SIGHUP: ${what}; its file is not read again before that is over.\n`);
      return;
    }
    try {
      const read = this.#read(this.#current.file);
      if (read.hash === this.#refused) {
        say(
          `SIGHUP: ${read.file} still is the policy that was rolled back; \`bouheki apply ${read.file}\` brings it back.\n`,
        );
        return;
      }
      this.#refused = undefined;
      await this.#bring(read, undefined);
      if (!this.#parts.enforcement.over) this.#describe(read.file);
    } catch (error) {
      this.#parts.inForce.reloadFailed = true;
      say(renderFailure(error));
      if (error instanceof BouhekiError) say('The policy that was in force stays.\n');
    }
  }

  /** Puts a policy in force that was read. One that is in force already (SIGHUP rotates logs too) is not its own former. */
  async #bring(next: ReadPolicy, within: number | undefined): Promise<void> {
    const former = this.#former;
    // Where it was rolled back with none before it, it is in force without blocking.
    const same = next.hash === this.#current.hash && next.hash !== this.#refused;
    await this.#exchange(next, within);
    if (same && this.#waits) this.#again = { former };
    else if (same) this.#former = former;
  }

  /** Puts a policy in force together with its log. Throws where it cannot be: all stays as it was. */
  async #exchange(next: ReadPolicy, within: number | undefined, how: How = {}): Promise<void> {
    const former = this.#current;
    const { log } = this.#parts;
    const prepared = log.prepare(next.policy.log);
    try {
      await this.#putInForce(next, within, how);
    } catch (error) {
      log.giveUp(prepared);
      throw error;
    }
    log.replace(prepared);
    this.#current = next;
    this.#former = former;
  }

  async #putInForce(
    next: ReadPolicy,
    within: number | undefined,
    { before, pauses }: How = {},
  ): Promise<void> {
    const { enforcement, generations, guard, keeper, session } = this.#parts;
    const { hash, policy } = next;
    guard.prepare(policy);
    enforcement.names = session.names;
    await enforcement.prepare(policy);
    if (enforcement.over) return;
    before?.();
    // A policy that blocks nothing cuts nobody off.
    const confirmed = within === undefined || (!blocksSome(policy) && pauses === undefined);
    const confirmBy = confirmed
      ? undefined
      : bootTime() + BigInt(Math.round(within * 1000)) * (SECOND / 1000n);
    const former = next === this.#current ? undefined : this.#current;
    const trial: Trial = { confirmBy, former, takesOver: before === undefined };
    const giveUp = keeper.prepare(next, trial);
    let generation: bigint;
    try {
      generation = enforcement.apply(policy, confirmBy);
    } catch (error) {
      giveUp();
      throw error;
    }
    keeper.inForce(next, trial);
    enforcement.attend(keeper.keeps);
    generations.add(generation, { hash, policy: this.#parts.withoutLinks(policy) });
    const { inForce } = this.#parts;
    delete inForce.confirmBy;
    delete inForce.pauses;
    delete inForce.modes;
    delete inForce.opened;
    delete inForce.ends;
    Object.assign(inForce, {
      ...(pauses !== undefined && { pauses }),
      ...(next.opened && { opened: next.opened.names }),
      ...modeNames(policy),
      ...endNames(policy),
      policyHash: hash,
      generation: inForce.generation + 1,
      loadedAt: Date.now() * 1000,
      reloadFailed: false,
      ...(within !== undefined && !confirmed && { confirmBy: (Date.now() + within * 1000) * 1000 }),
    } satisfies InForce);
    session.nameBoxes(generation, policy.boxes);
    if (confirmBy !== undefined) this.#wait(confirmBy);
  }

  #wait(confirmBy: bigint): void {
    clearTimeout(this.#timer);
    const left = Number((confirmBy - bootTime()) / 1_000_000n);
    this.#timer = setTimeout(
      () => void this.#turns.take(() => this.#expire()),
      Math.min(Math.max(left + 1, 0), LONGEST_WAIT),
    ).unref();
  }

  #stopWaiting(): void {
    clearTimeout(this.#timer);
    delete this.#parts.inForce.confirmBy;
  }

  async #endPause(): Promise<string> {
    const { former } = this.#pause!;
    const text = await this.#goBack('The pause is over', 'pause');
    this.#pause = undefined;
    this.#former = former;
    return text;
  }

  async #expire(): Promise<void> {
    const { confirmBy } = this.#parts.enforcement;
    if (confirmBy === undefined) return;
    if (confirmBy > bootTime()) this.#wait(confirmBy);
    else if (this.#pause !== undefined) await this.#endPause();
    else await this.#goBack('Not confirmed in time');
  }

  /**
   * Where the policy before cannot be put in force again, nothing is enforced, if the one in force was waiting for its
   * confirmation. Otherwise that one stays, and it throws.
   */
  async #goBack(why: string, from: 'policy' | 'pause' = 'policy'): Promise<string> {
    const { enforcement, inForce, keeper, say } = this.#parts;
    const waited = this.#waits;
    this.#stopWaiting();
    const left = this.#current;
    const former = this.#former;
    const again = this.#again;
    this.#again = undefined;
    const { opened: _opened, ...whole } = left;
    const target = former ?? { ...whole, policy: monitored(left.policy) };
    const fallBack = (): void => {
      if (this.#waits) enforcement.fallBack();
    };
    let now =
      former === undefined
        ? 'nothing is blocked any more, and what it would block is noted'
        : `the policy ${former.hash} of ${former.file} is in force again`;
    try {
      await this.#exchange(target, undefined, { before: fallBack });
      this.#former = again?.former;
    } catch (error) {
      if (!waited) throw error;
      fallBack();
      enforcement.release();
      keeper.release();
      inForce.mode = 'monitor';
      delete inForce.modes;
      say(renderFailure(error));
      now = 'WARNING: the one before cannot be put in force again, and nothing is judged or blocked any more';
    }
    if (from === 'pause') {
      const over = `${why}; ${now}.\n`;
      say(over);
      return over;
    }
    if (again === undefined) this.#refused = left.hash;
    const text = `${why}: the policy ${left.hash} of ${left.file} is out of force; ${now}.\n`;
    say(text);
    return text;
  }

  #described(within: number | undefined): string {
    this.#describe(this.#current.file);
    const text = describeWait(this.#parts.enforcement.confirmBy, this.#former);
    this.#parts.say(text);
    return describeComing(this.#current, text, within !== undefined);
  }

  #waiting(): BouhekiError {
    return waitingError(this.#pause !== undefined);
  }
}
