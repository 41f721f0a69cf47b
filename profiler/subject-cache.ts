/** Slots, a power of two, in 4 MiB. 100,000 subjects at once still find most of theirs. */
const BITS = 17;
const SLOTS = 1 << BITS;

/**
 * What the last connections of each (process key, comm) came to: the row of the process and that of the command. Looked
 * up for every event, so it holds numbers in typed arrays and neither a BigInt nor a string is made. One entry a slot;
 * the newest stays. All numbers are 32-bit words as they lie in the record.
 */
export class SubjectCache {
  /** Row of the process and row of the command of each slot. */
  readonly process = new Int32Array(SLOTS);
  readonly command = new Int32Array(SLOTS);
  /** Key and comm, six words a slot. No process has the key 0 and an empty comm, so an empty slot is never found. */
  readonly #words = new Uint32Array(6 * SLOTS);

  /** The slot that is in charge of the key at `key` and the comm at `comm`, both indexes into `words`. */
  slot(words: Uint32Array, key: number, comm: number): number {
    let hash = words[key]! ^ Math.imul(words[key + 1]!, 0x9e37_79b1);
    hash ^= Math.imul(words[comm]! ^ words[comm + 1]! ^ words[comm + 2]! ^ words[comm + 3]!, 0x85eb_ca6b);
    return Math.imul(hash, 0x9e37_79b1) >>> (32 - BITS);
  }

  /** Whether `slot` holds this key and comm. */
  holds(slot: number, words: Uint32Array, key: number, comm: number): boolean {
    const kept = this.#words;
    const at = 6 * slot;
    return (
      kept[at] === words[key] &&
      kept[at + 1] === words[key + 1] &&
      kept[at + 2] === words[comm] &&
      kept[at + 3] === words[comm + 1] &&
      kept[at + 4] === words[comm + 2] &&
      kept[at + 5] === words[comm + 3]
    );
  }

  put(
    slot: number,
    words: Uint32Array,
    key: number,
    comm: number,
    rows: { process: number; command: number },
  ): void {
    const at = 6 * slot;
    this.#words.set([words[key]!, words[key + 1]!], at);
    this.#words.set(words.subarray(comm, comm + 4), at + 2);
    this.process[slot] = rows.process;
    this.command[slot] = rows.command;
  }

  clear(): void {
    this.#words.fill(0);
  }
}
