import { BATCH_ROWS, type EventBatch } from '../event/batch.ts';
import type { Cell, NameTable, RecordingEnd, RowWriter, Settled } from '../database/row-writer.ts';
import type { Order } from './store-message.ts';

/**
 * Batches that may be on their way: 131,072 rows in 8.4 MB. Beside them the kernel's ring holds twice as
 * many.
 */
const BATCHES = 64;
/** Rows of names that may be on their way beside them, of up to 2.5 KB. */
const NAMES = 32_768;

/** After so many milliseconds without a look this process did not run itself, or was busy with something else. */
const AWAY = 5000;

/** What the process of the store has taken since it said so last: batches, rows of names, orders in all. */
export interface Taken {
  batches: number;
  names: number;
  orders: number;
}

/** Hands the rows of a recording to the process of the store, no more at a time than it keeps up with. */
export class StoreWriter implements RowWriter {
  /** To be set when that process can't write any more. */
  failure: Error | undefined;
  readonly #send: (orders: Order[]) => void;
  readonly #end: (end: RecordingEnd) => Promise<void>;
  readonly #abandon: () => void;
  readonly #now: () => number;
  #orders: Order[] = [];
  /** Of each kind, what has been ordered and not been taken. */
  #batches = 0;
  #names = 0;
  #waiting = 0;
  /** When something was last taken, or first ordered after everything was. */
  #progress = 0;
  /** When silence() was called last. */
  #looked = 0;

  /** `now`: milliseconds of any clock that only goes forward. */
  constructor(
    store: {
      send(orders: Order[]): void;
      end(end: RecordingEnd): Promise<void>;
      abandon(): void;
    },
    now = (): number => performance.now(),
  ) {
    this.#send = store.send;
    this.#end = store.end;
    this.#abandon = store.abandon;
    this.#now = now;
  }

  /** After a failure there is room for the message about it. */
  get room(): number {
    if (this.failure !== undefined) return Number.POSITIVE_INFINITY;
    return Math.max(0, Math.min((BATCHES - this.#batches) * BATCH_ROWS, NAMES - this.#names));
  }

  /**
   * For how long orders have waited without any being taken, milliseconds; 0 when none waits. To be called every second:
   * of the time before a call that comes much later five seconds count, since what was taken in it is not heard yet. So
   * who always comes late notices too, only later.
   */
  silence(): number {
    const now = this.#now();
    const away = Math.max(0, now - this.#looked - AWAY);
    this.#progress = Math.min(now, this.#progress + away);
    this.#looked = now;
    return this.#waiting === 0 ? 0 : now - this.#progress;
  }

  /** To be called with what that process has taken. */
  taken({ batches, names, orders }: Taken): void {
    this.#batches -= batches;
    this.#names -= names;
    this.#waiting -= orders;
    this.#progress = this.#now();
  }

  add(table: NameTable, cells: readonly Cell[]): void {
    this.#order([table, cells]);
    this.#names += 1;
  }

  /** Sends a copy of a batch. There must be room for a whole one. */
  append(batch: EventBatch): void {
    if (this.failure === undefined && this.#batches >= BATCHES)
      throw new Error('there is no room for a batch');
    this.#order({ rows: batch.length, events: batch.events, bytes: batch.bytes });
    this.#batches += 1;
    this.#flush();
  }

  settle(settled: Settled): void {
    this.#order({ settled });
    this.#flush();
  }

  retireNames(last: number): void {
    this.#order({ retired: last });
    this.#flush();
  }

  commit(): void {
    this.#order('commit');
    this.#flush();
  }

  async end(end: RecordingEnd): Promise<void> {
    await this.#end(end);
  }

  abandon(): void {
    this.#abandon();
  }

  #order(order: Order): void {
    if (this.failure !== undefined) throw this.failure;
    if (this.#waiting === 0) this.#progress = this.#now();
    this.#waiting += 1;
    this.#orders.push(order);
  }

  #flush(): void {
    this.#send(this.#orders);
    this.#orders = [];
  }
}
