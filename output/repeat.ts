/** How often repeats are reported, milliseconds. */
const REPORT_EVERY = 10_000;
/** Lines that are known to have been printed; beyond them each stands for itself. */
const KNOWN = 1024;

interface Printed {
  line: string;
  more: number;
}

/** Lines for a terminal that are printed once: how many more of each there were is reported every ten seconds. */
export class Repeats {
  readonly #passed: () => number;
  readonly #printed = new Map<string, Printed>();
  #reportedAt: number;

  /** `passed`: milliseconds of a clock that nobody sets. */
  constructor(passed: () => number) {
    this.#passed = passed;
    this.#reportedAt = passed();
  }

  /** Counts events whose line was printed already. False where it has to be printed, and `printed` called. */
  holds(key: string, count: number): boolean {
    const known = this.#printed.get(key);
    if (known === undefined) return false;
    known.more += count;
    return true;
  }

  printed(key: string, line: string): void {
    if (this.#printed.size < KNOWN) this.#printed.set(key, { line, more: 0 });
  }

  /** What was repeated, and how often, when it is time, or `now` because there is no later. */
  due(now: boolean): { line: string; more: number }[] {
    const passed = this.#passed();
    if (!now && passed - this.#reportedAt < REPORT_EVERY) return [];
    this.#reportedAt = passed;
    const repeated: { line: string; more: number }[] = [];
    for (const [key, known] of this.#printed) {
      if (known.more === 0) this.#printed.delete(key);
      else repeated.push({ ...known });
      known.more = 0;
    }
    return repeated;
  }
}
