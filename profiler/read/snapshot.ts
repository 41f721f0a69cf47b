import {
  JsonDuckDBValueConverter,
  type DuckDBConnection,
  type DuckDBDataChunk,
  type DuckDBPreparedStatement,
  type DuckDBValue,
} from '@duckdb/node-api';
import type { Answer, RawAnswer } from './record-source.ts';
import { prepareChecked } from './statement-check.ts';

/** Milliseconds. */
const INTERRUPT_EVERY = 20;

/** A consistent view of the record through a connection of its own, for reading alone. */
export class Snapshot {
  readonly #connection: DuckDBConnection;
  /** Calls of DuckDB that have not returned. */
  #running = 0;

  constructor(connection: DuckDBConnection) {
    this.#connection = connection;
  }

  /** Takes the view. Everything asked later sees the record as it is now, until a statement fails. */
  async begin(): Promise<void> {
    await this.#connection.run('BEGIN TRANSACTION READ ONLY');
    // DuckDB takes the snapshot at the first look into a table.
    await this.#connection.run('SELECT count(*) FROM schema_version');
  }

  /** As RecordSource.ask. */
  async ask(sql: string, values: readonly DuckDBValue[]): Promise<Answer> {
    return await this.#run(
      () => this.#prepare(sql, values),
      (chunk) => chunk.getColumns(),
    );
  }

  /** As RecordSource.askRaw. */
  async askRaw(sql: string, values: readonly DuckDBValue[]): Promise<RawAnswer> {
    return await this.#run(
      () => this.#prepare(sql, values),
      (chunk) => chunk,
    );
  }

  /** As RecordSource.query. */
  async query(sql: string): Promise<Answer> {
    return await this.#run(
      () => prepareChecked(this.#connection, sql),
      (chunk) => chunk.convertColumns(JsonDuckDBValueConverter),
    );
  }

  /**
   * Stops the statement that runs, if one does, which then fails; calls `closed` when the connection is
   * closed.
   */
  close(closed: () => void): void {
    if (this.#running > 0) {
      // One that is only about to begin takes no notice of it, and closing would wait for it.
      this.#connection.interrupt();
      setTimeout(() => this.close(closed), INTERRUPT_EVERY);
      return;
    }
    this.#connection.closeSync();
    closed();
  }

  async #prepare(sql: string, values: readonly DuckDBValue[]): Promise<DuckDBPreparedStatement> {
    const statement = await this.#connection.prepare(sql);
    if (values.length > 0) statement.bind([...values]);
    return statement;
  }

  async #run<T>(
    prepare: () => Promise<DuckDBPreparedStatement>,
    convert: (chunk: DuckDBDataChunk) => T,
  ): Promise<{ names: string[]; parts: AsyncGenerator<T> }> {
    return await this.#busy(async () => {
      const statement = await prepare();
      const result = await statement.stream();
      return { names: result.deduplicatedColumnNames(), parts: this.#parts(statement, result, convert) };
    });
  }

  async #busy<T>(work: () => Promise<T>): Promise<T> {
    this.#running += 1;
    try {
      return await work();
    } catch (error) {
      await this.#again();
      throw error;
    } finally {
      this.#running -= 1;
    }
  }

  async *#parts<T>(
    statement: DuckDBPreparedStatement,
    result: Awaited<ReturnType<DuckDBPreparedStatement['stream']>>,
    convert: (chunk: DuckDBDataChunk) => T,
  ): AsyncGenerator<T> {
    try {
      for (;;) {
        const chunk = await this.#busy(() => result.fetchChunk());
        if (chunk === null || chunk.rowCount === 0) return;
        yield convert(chunk);
      }
    } finally {
      statement.destroySync();
    }
  }

  /** A failed statement aborts its transaction: what is asked next gets a new view. */
  async #again(): Promise<void> {
    await this.#connection.run('ROLLBACK').catch(() => undefined);
    await this.begin().catch(() => undefined);
  }
}
