import { ClockWatch } from '../record/clock-watch.ts';

/** How long a time that came by a leap must hold before anything is called old by it, microseconds: a day. */
const BELIEVED_AFTER = 24 * 3_600_000_000;

/**
 * The time by which events are old. A clock that leaps forward, by mistake or until it is set right, must not
 * make a good record old at once: it counts from the last time that the record knows, and what a leap says is
 * believed when it has held for a day. A clock that is behind makes nothing old.
 */
export class RetentionClock {
  readonly #wall: () => number;
  readonly #watch: ClockWatch;
  /** What is believed: this time, and that it was so when so much had passed. */
  #time: number;
  #passed = 0;
  /** When the wall last leapt. */
  #leapt = 0;

  /**
   * `known`: the last time that the record knows, microseconds since the epoch; undefined when it is empty.
   */
  constructor(
    known: number | undefined,
    wall: () => number = () => Date.now() * 1000,
    watch = new ClockWatch(),
  ) {
    this.#wall = wall;
    this.#watch = watch;
    this.#time = Math.min(known ?? wall(), wall());
  }

  /** Microseconds since the epoch, never later than the clock on the wall. */
  now(): number {
    const { passed } = this.#watch;
    if (this.#watch.look() !== 0) this.#leapt = passed;
    const wall = this.#wall();
    const counted = this.#time + passed - this.#passed;
    if (passed - this.#leapt < BELIEVED_AFTER && counted < wall) return counted;
    this.#time = wall;
    this.#passed = passed;
    return wall;
  }
}
