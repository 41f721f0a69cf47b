/**
 * Command names are any text a process likes, and a process with many users of its own may take any of them:
 * beyond this many the table of them starts again.
 */
const MAX_KNOWN = 65_536;

/** Row ids for what is reported again and again. */
export class Numbers {
  readonly #known = new Map<string, number>();
  #count = 0;

  /** The id that was given last. */
  get last(): number {
    return this.#count;
  }

  /** How many new texts fit until the table starts again. */
  get room(): number {
    return MAX_KNOWN - this.#known.size;
  }

  /** The id of a text; `add` is called with it when it is a new one. */
  of(text: string, add: (id: number) => void): number {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    if (this.room === 0) this.clear();
    this.#count += 1;
    this.#known.set(text, this.#count);
    add(this.#count);
    return this.#count;
  }

  /** Starts again: ids go on, and equal texts get others than before. */
  clear(): void {
    this.#known.clear();
  }
}
