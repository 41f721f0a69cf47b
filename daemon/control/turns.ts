/** Does what is asked for one after the other, in the order in which it is asked. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  /** What waits for its turn, of that which need not be done twice. */
  readonly #waiting = new Set<string>();

  async take<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return await done;
  }

  /**
   * The same for what is as good as done where it waits already: asked for faster than it is done, it would put off all
   * that comes later.
   */
  async takeOnce(name: string, work: () => Promise<void>): Promise<void> {
    if (this.#waiting.has(name)) return;
    this.#waiting.add(name);
    await this.take(async () => {
      // Signals that piled up come one by one, with promises done in between: they are one order too.
      await new Promise((resolve) => setImmediate(resolve));
      this.#waiting.delete(name);
      await work();
    });
  }
}
