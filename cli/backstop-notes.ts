import type { Policy } from '../policy/policy.ts';

/** Milliseconds between two notes of dropped packets. */
const NOTE_EVERY = 60_000;

/** What `enforce --backstop` says: what it is for, and when it has dropped packets. */
export class BackstopNotes {
  readonly #say: (text: string) => void;
  #stopped = 0;
  #told = 0;
  /** Milliseconds, as performance.now(). */
  #quietUntil = 0;

  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  /** `entries`: how many deny entries of the policy it can go by. */
  begin(policy: Policy, entries: number): void {
    this.#say(describeBackstop(policy, entries));
  }

  /** Tells of packets dropped since the last note, at once and then once a minute. */
  show(stopped: number): void {
    this.#stopped = stopped;
    if (performance.now() >= this.#quietUntil) this.end();
  }

  /** Tells of what no note has told yet. */
  end(): void {
    const packets = this.#stopped - this.#told;
    if (packets === 0) return;
    this.#told = this.#stopped;
    this.#quietUntil = performance.now() + NOTE_EVERY;
    const what = packets === 1 ? '1 packet' : `${packets} packets`;
    this.#say(`The backstop dropped ${what} to addresses that the policy denies.\n`);
  }
}

/** What the backstop does under a policy, of whose deny entries it can go by so many; or why it does nothing. */
export function describeBackstop({ mode, target }: Pick<Policy, 'mode' | 'target'>, entries: number): string {
  let reason: string;
  if (mode === 'monitor') reason = 'the policy only monitors';
  else if (target === 'container')
    reason = 'the policy is for containers alone, and a packet does not show whose it is';
  else if (entries === 0) reason = 'no deny entry of the policy names addresses and nothing else';
  else return `The backstop drops packets to the addresses of ${entries} deny entries.\n`;
  return `Warning: the backstop drops nothing: ${reason}.\n`;
}
