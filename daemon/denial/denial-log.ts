import { isDeepStrictEqual } from 'node:util';
import type { VerdictEntry } from '../../enforcer/log/entry.ts';
import { VerdictLog } from '../../enforcer/log/verdict-log.ts';
import type { LogOptions } from '../../policy/meaning/policy.ts';

/** How long the last lines may take to be written, milliseconds. */
const LAST_MOMENT = 2000;

/** The log of denied connections that the policy in force asks for. */
export class DenialLog {
  readonly #say: (text: string) => void;
  #log: VerdictLog;
  /** Logs of policies before, and what they had dropped. */
  #closing: Promise<void> = Promise.resolve();
  #droppedBefore = 0;

  /** Throws BouhekiError `policy` when it can't be opened. */
  constructor(options: LogOptions, say: (text: string) => void) {
    this.#say = say;
    this.#log = this.#open(options);
  }

  /** Lines that could not be written and were too many to keep. */
  get dropped(): number {
    return this.#droppedBefore + this.#log.dropped;
  }

  /** Bytes of lines that could not be written yet. */
  get waiting(): number {
    return this.#log.waiting;
  }

  write(entry: VerdictEntry): void {
    this.#log.write(entry);
  }

  /** To be called about once a second. */
  tick(): void {
    this.#log.tick();
  }

  /** After a log rotation. */
  reopen(): void {
    this.#log.reopen();
  }

  /**
   * Opens the log of a policy that is to come into force: `replace` then goes over to it, `giveUp` closes it.
   */
  prepare(options: LogOptions): VerdictLog {
    return isDeepStrictEqual(options, this.#log.options) ? this.#log : this.#open(options);
  }

  giveUp(prepared: VerdictLog): void {
    if (prepared !== this.#log) void prepared.close();
  }

  replace(prepared: VerdictLog): void {
    const before = this.#log;
    if (prepared === before) return;
    this.#log = prepared;
    this.#leave(before);
  }

  /** Writes what waits, in a moment at the most, and says what could not be written. */
  async close(): Promise<void> {
    this.#leave(this.#log);
    await this.#closing;
    const dropped = this.#droppedBefore;
    if (dropped > 0)
      this.#say(`${dropped} lines of the log could not be written; the record has them all.\n`);
  }

  #leave(log: VerdictLog): void {
    const closed = log.close(LAST_MOMENT).then(() => void (this.#droppedBefore += log.dropped));
    this.#closing = Promise.all([this.#closing, closed]).then(() => undefined);
  }

  #open(options: LogOptions): VerdictLog {
    return new VerdictLog(options, (error) => {
      this.#say(`The log cannot be written (${error.message}); enforcement and recording go on.\n`);
    });
  }
}
