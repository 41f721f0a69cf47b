import { BATCH_BYTES, BATCH_ROWS, EventBatch } from './batch.ts';

/** Batches that wait for the database: 131,072 events in 6.2 MB. Beside them the kernel's ring holds twice as many. */
const SLOTS = 64;
/** Rows of names that may wait beside them, of up to 2.5 KB. */
const NAMES = 32_768;
/** Bytes before the first slot: how many batches and names were ever taken, then the length of each slot. */
const HEADER = 8 + 4 * SLOTS;
const TAKEN = 0;
const NAMED = 1;
const LENGTHS = 2;

/**
 * Batches on their way from one thread to another, in memory that both have. One thread puts, the other takes, each
 * through an object of its own over the same memory; that there is something to take is told by other means.
 */
export class BatchQueue {
  readonly memory: SharedArrayBuffer;
  readonly #header: Int32Array;
  readonly #slots: readonly EventBatch[];
  /** Batches that this end has put, or taken. */
  #count = 0;
  #names = 0;

  constructor(memory = new SharedArrayBuffer(HEADER + SLOTS * BATCH_BYTES)) {
    this.memory = memory;
    this.#header = new Int32Array(memory, 0, HEADER / 4);
    this.#slots = Array.from(
      { length: SLOTS },
      (_, slot) => new EventBatch(memory, HEADER + slot * BATCH_BYTES),
    );
  }

  /** For the end that puts: rows that fit without a wait, each of which may bring a name, and small rows for its ids. */
  get room(): number {
    const names = (this.#names - Atomics.load(this.#header, NAMED)) | 0;
    return Math.max(0, Math.min(this.#free * BATCH_ROWS, NAMES - names));
  }

  /** Batches that fit. */
  get #free(): number {
    return SLOTS - ((this.#count - Atomics.load(this.#header, TAKEN)) | 0);
  }

  /** For the end that puts: a row of names is on its way, by other means. */
  nameSent(): void {
    this.#names += 1;
  }

  /** For the end that takes: a row of names has arrived. */
  nameTaken(): void {
    Atomics.add(this.#header, NAMED, 1);
  }

  /** Puts a copy of a batch. There must be room for a whole one. */
  put(batch: EventBatch): void {
    if (this.#free === 0) throw new Error('the queue of batches is full');
    const slot = this.#count % SLOTS;
    const columns = Object.values(this.#slots[slot]!.columns);
    for (const [index, column] of Object.values(batch.columns).entries()) {
      columns[index]!.set(column as never);
    }
    Atomics.store(this.#header, LENGTHS + slot, batch.length);
    this.#count += 1;
  }

  /** Gives the oldest batch to `use`, and its room back. There must be one. */
  take(use: (batch: EventBatch) => void): void {
    const slot = this.#count % SLOTS;
    const batch = this.#slots[slot]!;
    batch.length = Atomics.load(this.#header, LENGTHS + slot);
    try {
      use(batch);
    } finally {
      this.#count += 1;
      Atomics.store(this.#header, TAKEN, this.#count | 0);
    }
  }
}
