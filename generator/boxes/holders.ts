/** For each tuple the boxes that hold it, by their places in a list. */
export class Holders {
  /** Those of a tuple are at `start[tuple]` to `start[tuple + 1]` of `list`. */
  readonly start: Int32Array;
  readonly list: Int32Array;

  constructor(boxes: readonly { readonly tuples: Readonly<Int32Array> }[], count: number) {
    this.start = new Int32Array(count + 1);
    for (const { tuples } of boxes) for (const tuple of tuples) this.start[tuple + 1]!++;
    for (let tuple = 0; tuple < count; tuple++) this.start[tuple + 1]! += this.start[tuple]!;
    const next = this.start.slice();
    this.list = new Int32Array(next[count]!);
    for (const [index, { tuples }] of boxes.entries()) {
      for (const tuple of tuples) this.list[next[tuple]!++] = index;
    }
  }

  /** How many boxes hold a tuple. */
  times(tuple: number): number {
    return this.start[tuple + 1]! - this.start[tuple]!;
  }

  /** The boxes that are alone in holding a tuple, for each such tuple. */
  *sole(): Generator<number> {
    for (let tuple = 0; tuple + 1 < this.start.length; tuple++) {
      if (this.times(tuple) === 1) yield this.list[this.start[tuple]!]!;
    }
  }
}
