import type { DuckDBConnection } from '@duckdb/node-api';

/** Size of the log from which DuckDB makes a checkpoint by itself, and one that it does not reach. */
const USUAL = '16MiB';
const NEVER = '1TB';

/**
 * Keeps DuckDB from checkpoints of its own accord while a reader copies its files. One that comes all the
 * same, such as at the end of a recording, spoils the copy, which the reader notices. Commits go on as ever.
 */
export class CheckpointHold {
  readonly #connection: DuckDBConnection;
  readonly #holders = new Set<object>();
  /** Changes of the setting, one after the other. */
  #settled: Promise<void> = Promise.resolve();
  #closed = false;

  /** `connection` has no other user. */
  constructor(connection: DuckDBConnection) {
    this.#connection = connection;
  }

  /** Holds checkpoints off for `holder`, who may ask again. */
  async take(holder: object): Promise<void> {
    this.#holders.add(holder);
    await this.#set();
  }

  /** To be called for each holder when it is gone, also for one that never took it. */
  async release(holder: object): Promise<void> {
    if (this.#holders.delete(holder)) await this.#set();
  }

  /** To come when nothing runs any more. */
  async close(): Promise<void> {
    await this.#settled.catch(() => undefined);
    this.closeSync();
  }

  /** As `close`, without the wait. */
  closeSync(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.closeSync();
  }

  async #set(): Promise<void> {
    const changed = this.#settled.then(async () => {
      if (this.#closed) return;
      await this.#connection.run(`SET checkpoint_threshold = '${this.#holders.size > 0 ? NEVER : USUAL}'`);
    });
    this.#settled = changed.catch(() => undefined);
    await changed;
  }
}
