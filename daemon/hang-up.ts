import { readProcessStat } from '../host/process-stat.ts';

/** How long after the terminal has gone its signals may come, milliseconds: the kernel sends one, and shells do. */
const ECHO = 5000;

/** Tells a SIGHUP that comes because the terminal has gone from one that somebody has sent. */
export class HangUp {
  readonly #terminal: () => number;
  #had: boolean;
  #quietUntil = 0;

  /** To be made before the terminal can have gone. `terminal`: the number of the controlling one, 0 without. */
  constructor(terminal: () => number = controllingTerminal) {
    this.#terminal = terminal;
    this.#had = terminal() !== 0;
  }

  /** Whether the SIGHUP that has just come is the terminal's. `now`: milliseconds of a clock that only goes forward. */
  came(now = performance.now()): boolean {
    if (this.#had && this.#terminal() === 0) {
      this.#had = false;
      this.#quietUntil = now + ECHO;
    }
    return now < this.#quietUntil;
  }
}

function controllingTerminal(): number {
  return readProcessStat('/proc/self')?.terminal ?? 0;
}
