import { setTimeout as sleep } from 'node:timers/promises';
import type { Reported } from '../format/identify.ts';
import { formatCount } from '../../../format/number.ts';
import { noticeOf } from './notice.ts';

/** How long a delivery may take, and what stops it before. */
export interface Patience {
  seconds: number;
  signal: AbortSignal;
}

/** Somebody that is told of findings. */
export interface Delivery {
  /** Begins a sentence. */
  name: string;
  /** Throws `Undelivered`. */
  deliver(notice: string, patience: Patience): Promise<void>;
}

/** Why somebody was not told; `final`: another try would end alike. */
export class Undelivered extends Error {
  readonly final: boolean;

  constructor(reason: string, final = true) {
    super(reason);
    this.final = final;
  }
}

/** Seconds before each further try. */
const RETRIES = [1, 2, 4];

/** Findings that one notice has at the most: what takes them may have a limit. */
const MOST_FINDINGS = 100;

/** What somebody has still to be told. */
export class DeliveryQueue {
  readonly #delivery: Delivery;
  readonly #policy: string;
  #waiting: Reported[] = [];

  constructor(delivery: Delivery, policy: string) {
    this.#delivery = delivery;
    this.#policy = policy;
  }

  get length(): number {
    return this.#waiting.length;
  }

  add(findings: readonly Reported[]): void {
    for (const finding of findings) this.#waiting.push(finding);
  }

  /** Tells what waits. Gives why that failed, as a line for people; what was not told waits on. */
  async flush(patience: Patience): Promise<string | undefined> {
    while (this.#waiting.length > 0) {
      const part = this.#waiting.slice(0, MOST_FINDINGS);
      const failure = await this.#try(noticeOf(this.#policy, part), patience);
      if (failure !== undefined) {
        const what = formatCount(this.#waiting.length, 'finding');
        return `${this.#delivery.name} was not told of ${what}: ${failure}. The next round tries again.\n`;
      }
      this.#waiting = this.#waiting.slice(part.length);
    }
    return undefined;
  }

  async #try(notice: string, patience: Patience): Promise<string | undefined> {
    for (let tries = 0; ; tries++) {
      try {
        await this.#delivery.deliver(notice, patience);
        return undefined;
      } catch (error) {
        if (!(error instanceof Undelivered)) throw error;
        const wait = RETRIES[tries];
        if (error.final || wait === undefined || patience.signal.aborted) return error.message;
        await sleep(wait * 1000, undefined, { signal: patience.signal }).catch(() => undefined);
      }
    }
  }
}
