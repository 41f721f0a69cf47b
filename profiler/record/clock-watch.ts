import { bootTime } from '../../bpf/clock.ts';

/** What is no step but the work of a service that keeps the clock right, microseconds a look. */
const SLEW = 1_000_000;
/**
 * Between the readings of two clocks we may have been stopped; then they say nothing of each other,
 * microseconds.
 */
const TOGETHER = 100_000;

/**
 * Distinguishes time that passes, which cannot be set, from the clock on the wall, which can be set by hours
 * or years at any moment: by hand, or once a machine without a battery has found a time server.
 */
export class ClockWatch {
  readonly #wall: () => number;
  readonly #boot: () => number;
  readonly #began: number;
  /** What the wall was ahead of the boot clock at the last look. */
  #ahead: number;

  /** Both in microseconds; `boot` only goes forward, also while the machine sleeps. */
  constructor(
    wall: () => number = () => Date.now() * 1000,
    boot: () => number = () => Number(bootTime() / 1000n),
  ) {
    this.#wall = wall;
    this.#boot = boot;
    this.#began = boot();
    this.#ahead = wall() - this.#began;
  }

  /** Microseconds that have passed since this watch was made. */
  get passed(): number {
    return this.#boot() - this.#began;
  }

  /**
   * By how many microseconds the clock was set since the last look, less than zero for backwards; 0 when it
   * was not.
   */
  look(): number {
    const before = this.#boot();
    const wall = this.#wall();
    if (this.#boot() - before > TOGETHER) return 0;
    const step = wall - before - this.#ahead;
    this.#ahead += step;
    return Math.abs(step) < SLEW ? 0 : step;
  }
}
