import { readProcessStat } from '../host/process-stat.ts';

/**
 * How long after the terminal has gone its signals may come, milliseconds: the kernel sends one, and shells
 * do.
 */
const ECHO = 5000;

/** Distinguishes a SIGHUP that comes because the terminal has gone from one that a user has sent. */
export class HangUp {
  readonly #terminal: () => number;
  #had: boolean;
  #quietUntil = 0;

  /**
   * To be made before the terminal can have gone. `terminal`: the number of the controlling one, 0 without.
   */
  constructor(terminal: () => number = controllingTerminal) {
    this.#terminal = terminal;
    this.#had = terminal() !== 0;
  }

  /**
   * Whether the SIGHUP that has just come is the terminal's. `now`: milliseconds of a clock that only goes
   * forward.
   */
  came(now = performance.now()): boolean {
    if (this.#had && this.#terminal() === 0) {
      this.#had = false;
      this.#quietUntil = now + ECHO;
    }
    return now < this.#quietUntil;
  }
}

/** SIGHUP as the order to reload. It has a listener from the start: without one it ends the process. */
export class ReloadSignal {
  #ordered = false;
  #reload: (() => void) | undefined;

  /** `hungUp` is called for the SIGHUP that comes because the terminal has gone. */
  constructor(hungUp: () => void) {
    const hangUp = new HangUp();
    process.on('SIGHUP', () => {
      if (hangUp.came()) hungUp();
      else if (this.#reload === undefined) this.#ordered = true;
      else this.#reload();
    });
  }

  /** Carries out each order from now on, and one that came before. */
  serve(reload: () => void): void {
    this.#reload = reload;
    if (this.#ordered) reload();
  }

  /** Goes on listening, and does nothing. */
  ignore(): void {
    this.#reload = () => undefined;
  }
}

function controllingTerminal(): number {
  return readProcessStat('/proc/self')?.terminal ?? 0;
}
