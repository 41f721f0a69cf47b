import { BATCH_BYTES, BATCH_ROWS, EventBatch } from './batch.ts';

/** Batches that wait for the database: 131,072 events in 6.7 MB. Beside them the kernel's ring holds twice as many. */
const SLOTS = 64;
/** Bytes before the first slot: how many batches were ever taken, then the length of each slot. */
const HEADER = 8 + 4 * SLOTS;
const TAKEN = 0;
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

  constructor(memory = new SharedArrayBuffer(HEADER + SLOTS * BATCH_BYTES)) {
    this.memory = memory;
    this.#header = new Int32Array(memory, 0, HEADER / 4);
    this.#slots = Array.from(
      { length: SLOTS },
      (_, slot) => new EventBatch(memory, HEADER + slot * BATCH_BYTES),
    );
  }

  /** For the end that puts: rows that fit without a wait. */
  get room(): number {
    const waiting = (this.#count - Atomics.load(this.#header, TAKEN)) | 0;
    return (SLOTS - waiting) * BATCH_ROWS;
  }

  /** Puts a copy of a batch. There must be room for a whole one. */
  put(batch: EventBatch): void {
    if (this.room === 0) throw new Error('the queue of batches is full');
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
