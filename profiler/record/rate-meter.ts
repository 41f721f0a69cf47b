/** Marks kept: the span of the longer rate, when one is set every second. */
const MARKS = 61;

/** How fast a count grows, from marks that are set about once a second. */
export class RateMeter {
  readonly #marks: { at: number; count: number }[] = [];

  /** `at` in milliseconds. */
  mark(at: number, count: number): void {
    this.#marks.push({ at, count });
    if (this.#marks.length > MARKS) this.#marks.shift();
  }

  /** Counts a second between the last two marks. */
  get last(): number {
    return this.#since(this.#marks.at(-2));
  }

  /** Counts a second over all marks kept: a minute, or less at the beginning. */
  get minute(): number {
    return this.#since(this.#marks[0]);
  }

  #since(from: { at: number; count: number } | undefined): number {
    const to = this.#marks.at(-1);
    if (from === undefined || to === undefined || to.at <= from.at) return 0;
    return ((to.count - from.count) * 1000) / (to.at - from.at);
  }
}
