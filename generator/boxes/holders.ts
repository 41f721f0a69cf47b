/** For each tuple the boxes that hold it, by their places in a list. */
export class Holders {
  readonly #start: Int32Array;
  readonly #list: Int32Array;

  constructor(boxes: readonly { readonly tuples: Int32Array }[], count: number) {
    this.#start = new Int32Array(count + 1);
    for (const { tuples } of boxes) for (const tuple of tuples) this.#start[tuple + 1]!++;
    for (let tuple = 0; tuple < count; tuple++) this.#start[tuple + 1]! += this.#start[tuple]!;
    const next = this.#start.slice();
    this.#list = new Int32Array(next[count]!);
    for (const [index, { tuples }] of boxes.entries()) {
      for (const tuple of tuples) this.#list[next[tuple]!++] = index;
    }
  }

  of(tuple: number): Int32Array {
    return this.#list.subarray(this.#start[tuple]!, this.#start[tuple + 1]!);
  }

  /** The boxes that are alone in holding a tuple, for each such tuple. */
  *sole(): Generator<number> {
    for (let tuple = 0; tuple + 1 < this.#start.length; tuple++) {
      const list = this.of(tuple);
      if (list.length === 1) yield list[0]!;
    }
  }
}
