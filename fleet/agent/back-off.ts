const FIRST = 1000;
const LONGEST = 300_000;

/**
 * How long to wait before something is tried again: anything from 0 to a bound that doubles from 1 s to 5 min, so that
 * many agents do not come at once ("full jitter", M. Brooker, Exponential Backoff And Jitter, 2015).
 */
export class BackOff {
  readonly #chance: () => number;
  #failures = 0;

  constructor(chance: () => number = Math.random) {
    this.#chance = chance;
  }

  /** Milliseconds. */
  next(): number {
    const bound = Math.min(LONGEST, FIRST * 2 ** this.#failures);
    this.#failures += 1;
    return this.#chance() * bound;
  }

  /** It was done. */
  reset(): void {
    this.#failures = 0;
  }
}
