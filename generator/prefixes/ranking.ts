/**
 * Numbers 0 to n-1 by a key that may change: the one with the least key first, the lower number where keys
 * are equal.
 */
export class Ranking {
  readonly #heap: Int32Array;
  /** Place in the heap; -1: not in it. */
  readonly #place: Int32Array;
  readonly #key: Float64Array;
  #size = 0;

  constructor(capacity: number) {
    this.#heap = new Int32Array(capacity);
    this.#place = new Int32Array(capacity).fill(-1);
    this.#key = new Float64Array(capacity);
  }

  has(item: number): boolean {
    return this.#place[item]! >= 0;
  }

  /** Adds the item, or gives it another key. */
  set(item: number, key: number): void {
    this.#key[item] = key;
    if (this.#place[item]! < 0) {
      this.#place[item] = this.#size;
      this.#heap[this.#size++] = item;
    }
    this.#sink(this.#rise(this.#place[item]!));
  }

  /** Takes the first item out; undefined when there is none. */
  take(): number | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#heap[0]!;
    this.remove(item);
    return item;
  }

  remove(item: number): void {
    const place = this.#place[item]!;
    if (place < 0) return;
    this.#place[item] = -1;
    const last = this.#heap[--this.#size]!;
    if (last === item) return;
    this.#put(last, place);
    this.#sink(this.#rise(place));
  }

  #rise(place: number): number {
    const item = this.#heap[place]!;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!this.#before(item, this.#heap[parent]!)) break;
      this.#put(this.#heap[parent]!, place);
      place = parent;
    }
    this.#put(item, place);
    return place;
  }

  #sink(place: number): void {
    const item = this.#heap[place]!;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && this.#before(this.#heap[child + 1]!, this.#heap[child]!)) child++;
      if (!this.#before(this.#heap[child]!, item)) break;
      this.#put(this.#heap[child]!, place);
      place = child;
    }
    this.#put(item, place);
  }

  #put(item: number, place: number): void {
    this.#heap[place] = item;
    this.#place[item] = place;
  }

  #before(a: number, b: number): boolean {
    const difference = this.#key[a]! - this.#key[b]!;
    return difference < 0 || (difference === 0 && a < b);
  }
}
