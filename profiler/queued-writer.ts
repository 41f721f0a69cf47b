import type { EventBatch } from './batch.ts';
import type { BatchQueue } from './batch-queue.ts';
import type { Cell, NameTable, RecordingEnd, RowWriter, Settled } from './row-writer.ts';
import type { Order } from './store-message.ts';

/** Hands the rows of a recording to the thread of the store: names as messages, batches through a queue. */
export class QueuedWriter implements RowWriter {
  /** To be set when that thread can't write any more. */
  failure: Error | undefined;
  readonly #queue: BatchQueue;
  readonly #send: (orders: Order[]) => void;
  readonly #end: (end: RecordingEnd) => Promise<void>;
  readonly #abandon: () => void;
  #orders: Order[] = [];

  constructor(
    queue: BatchQueue,
    thread: {
      send(orders: Order[]): void;
      end(end: RecordingEnd): Promise<void>;
      abandon(): void;
    },
  ) {
    this.#queue = queue;
    this.#send = thread.send;
    this.#end = thread.end;
    this.#abandon = thread.abandon;
  }

  /** After a failure there is room for whoever is to be told of it. */
  get room(): number {
    return this.failure === undefined ? this.#queue.room : Number.POSITIVE_INFINITY;
  }

  add(table: NameTable, cells: readonly Cell[]): void {
    this.#order([table, cells]);
    this.#queue.nameSent();
  }

  append(batch: EventBatch): void {
    this.#order('append');
    this.#queue.put(batch);
    this.#flush();
  }

  settle(settled: Settled): void {
    this.#order({ settled });
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
    this.#orders.push(order);
  }

  #flush(): void {
    this.#send(this.#orders);
    this.#orders = [];
  }
}
