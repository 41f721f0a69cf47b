/** Slots, a power of two, in 8 MiB. 100,000 subjects at once still find most of theirs. */
const BITS = 17;
const SLOTS = 1 << BITS;

/**
 * Words of a slot, as a power of two: process key, six ids, comm, the three rows, one unused. A line of the
 * processor's cache.
 */
const WORD_BITS = 4;
const IDS = 2;
const COMM = 8;
const PROCESS = 12;
const COMMAND = 13;
const CREDENTIAL = 14;

/** Where a subject lies in a record: indexes into its words. */
export interface SubjectPlace {
  /** Of the process key, two words. */
  key: number;
  /** Of the first of the ids, which lie in the order of struct connection. */
  ids: number;
  comm: number;
}

/**
 * What the last connections of each (process key, ids, comm) came to: the rows of the process, the command
 * and the credential. Looked up for every event, so it holds numbers in one typed array and neither a BigInt
 * nor a string is made. One entry a slot; the newest stays. All numbers are 32-bit words as they lie in the
 * record.
 */
export class SubjectCache {
  /** No process has the key 0 and an empty comm, so an empty slot is never found. */
  readonly #words = new Uint32Array(SLOTS << WORD_BITS);

  /**
   * The slot that is in charge. A process that works for one user after the other has one for each of them.
   */
  slot(words: Uint32Array, key: number, ids: number, comm: number): number {
    let hash = words[key]! ^ Math.imul(words[key + 1]!, 0x9e37_79b1);
    hash ^= Math.imul(words[comm]! ^ words[comm + 1]! ^ words[comm + 2]! ^ words[comm + 3]!, 0x85eb_ca6b);
    // The effective user: the id that changes while a process runs.
    hash ^= Math.imul(words[ids + 1]!, 0xc2b2_ae35);
    return Math.imul(hash, 0x9e37_79b1) >>> (32 - BITS);
  }

  /** Whether `slot` holds this key, these ids and this comm. */
  holds(slot: number, words: Uint32Array, key: number, ids: number, comm: number): boolean {
    const kept = this.#words;
    const at = slot << WORD_BITS;
    return (
      kept[at] === words[key] &&
      kept[at + 1] === words[key + 1] &&
      kept[at + IDS] === words[ids] &&
      kept[at + IDS + 1] === words[ids + 1] &&
      kept[at + IDS + 2] === words[ids + 2] &&
      kept[at + IDS + 3] === words[ids + 3] &&
      kept[at + IDS + 4] === words[ids + 4] &&
      kept[at + IDS + 5] === words[ids + 5] &&
      kept[at + COMM] === words[comm] &&
      kept[at + COMM + 1] === words[comm + 1] &&
      kept[at + COMM + 2] === words[comm + 2] &&
      kept[at + COMM + 3] === words[comm + 3]
    );
  }

  process(slot: number): number {
    return this.#words[(slot << WORD_BITS) + PROCESS]!;
  }

  command(slot: number): number {
    return this.#words[(slot << WORD_BITS) + COMMAND]!;
  }

  credential(slot: number): number {
    return this.#words[(slot << WORD_BITS) + CREDENTIAL]!;
  }

  put(
    slot: number,
    words: Uint32Array,
    { key, ids, comm }: SubjectPlace,
    rows: { process: number; command: number; credential: number },
  ): void {
    const at = slot << WORD_BITS;
    this.#words.set(words.subarray(key, key + IDS), at);
    this.#words.set(words.subarray(ids, ids + COMM - IDS), at + IDS);
    this.#words.set(words.subarray(comm, comm + PROCESS - COMM), at + COMM);
    this.#words.set([rows.process, rows.command, rows.credential], at + PROCESS);
  }

  clear(): void {
    this.#words.fill(0);
  }
}
