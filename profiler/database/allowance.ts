import type { DuckDBConnection } from '@duckdb/node-api';

/**
 * What the recorder alone may use (it takes 23 MB of rows that are not committed, the rest is cache), and the
 * bound of the whole instance while others use the database too.
 */
export const RECORDER_MEMORY = '64MB';
export const SHARED_MEMORY = '1GB';

/** Bytes that statements may take, and how often that is looked at, milliseconds. */
const ALLOWED = 400e6;
const LOOK_EVERY = 20;

/** Memory that DuckDB cannot take back: all but what it only keeps from its own file. */
const TAKEN = `
  SELECT coalesce(sum(memory_usage_bytes), 0)::BIGINT FROM duckdb_memory()
  WHERE tag NOT IN ('BASE_TABLE', 'METADATA', 'EXTERNAL_FILE_CACHE')`;

/**
 * Keeps statements from taking the memory that recording needs. DuckDB has one limit for all; a commit that
 * runs into it fails, and was seen to leave the table damaged in memory. So the limit is raised while others
 * use the database, and their statements are stopped long before they reach it.
 */
export class Allowance {
  readonly #connection: DuckDBConnection;
  readonly #stop: () => void;
  #users = 0;
  /** Changes of the limit, one after the other. */
  #settled: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** `stop` ends every statement but those of the recorder. `connection` has no other user. */
  constructor(connection: DuckDBConnection, stop: () => void) {
    this.#connection = connection;
    this.#stop = stop;
  }

  /** Runs `work`, which may take more memory than recording leaves. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#users += 1;
    if (this.#users === 1) this.#set(SHARED_MEMORY);
    await this.#settled;
    this.#timer ??= setTimeout(() => this.#look(), LOOK_EVERY).unref();
    try {
      return await work();
    } finally {
      this.#users -= 1;
      if (this.#users === 0) this.#set(RECORDER_MEMORY);
    }
  }

  /** To come when nothing runs any more. */
  async close(): Promise<void> {
    await this.#settled;
    this.closeSync();
  }

  /** As `close`, without the wait. */
  closeSync(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#connection.closeSync();
  }

  #look(): void {
    this.#settled = this.#settled.then(async () => {
      if (this.#closed) return;
      const taken = await this.#connection.runAndReadAll(TAKEN);
      if (Number(taken.getRowsJS()[0]![0]) > ALLOWED) this.#stop();
      this.#timer = this.#users === 0 ? undefined : setTimeout(() => this.#look(), LOOK_EVERY).unref();
    });
  }

  #set(limit: string): void {
    this.#settled = this.#settled.then(async () => {
      if (this.#closed) return;
      // Lowering is refused while the memory is still in use; it is tried again after the next statement.
      await this.#connection.run(`SET memory_limit = '${limit}'`).catch(() => undefined);
    });
  }
}
