import type { Allowance } from '../database/allowance.ts';
import { storeFailure } from '../database/failure.ts';
import { withPrivateFiles } from '../database/private-files.ts';
import type { RetentionClock } from './retention-clock.ts';
import type { Retention, RetentionReport } from './retention.ts';

/**
 * How often the record is looked at, milliseconds: a million connections a second write a gigabyte in a
 * minute.
 */
const LOOK_EVERY = 15_000;

/** Looks at the record again and again while it is being written, one look at a time. */
export class RetentionKeeper {
  readonly #retention: Retention;
  readonly #allowance: Allowance;
  readonly #path: string;
  readonly #clock: RetentionClock;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(retention: Retention, allowance: Allowance, path: string, clock: RetentionClock) {
    this.#retention = retention;
    this.#allowance = allowance;
    this.#path = path;
    this.#clock = clock;
  }

  /** Reports each look that folded something or found too much, and failures as BouhekiError. */
  start(told: (report: RetentionReport) => void, failed: (error: unknown) => void): void {
    const look = (): void => {
      this.#looking = this.look()
        .then((report) => {
          if (!this.#closed && (report.folded + report.thinned > 0 || report.tooLarge)) told(report);
        })
        .catch((error: unknown) => {
          if (!this.#closed) failed(error);
        })
        .finally(() => {
          if (!this.#closed) this.#timer = setTimeout(look, LOOK_EVERY).unref();
        });
    };
    look();
  }

  /** One look, now. `believed`: the time by which events are old. */
  async look(now = Date.now() * 1000, believed = Math.min(now, this.#clock.now())): Promise<RetentionReport> {
    try {
      return await this.#allowance.during(() =>
        withPrivateFiles(() => this.#retention.enforce(now, believed)),
      );
    } catch (error) {
      throw storeFailure(error, this.#path);
    }
  }

  /** Stops the look that is under way, if one is: it fails, and the next one does its work. */
  interrupt(): void {
    if (!this.#closed) this.#retention.interrupt();
  }

  /** Stops, also in the middle of a look: an hour is folded as a whole or not at all. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#retention.interrupt();
    await this.#looking;
    this.#retention.closeSync();
  }
}
