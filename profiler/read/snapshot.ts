import {
  JsonDuckDBValueConverter,
  type DuckDBConnection,
  type DuckDBPreparedStatement,
  type DuckDBValue,
} from '@duckdb/node-api';
import type { Answer, Form, Value } from './answer.ts';
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
    return await this.#run(async () => {
      const statement = await this.#connection.prepare(sql);
      if (values.length > 0) statement.bind([...values]);
      return statement;
    }, 'exact');
  }

  /** As RecordSource.query. */
  async query(sql: string): Promise<Answer> {
    return await this.#run(() => prepareChecked(this.#connection, sql), 'json');
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

  async #run(prepare: () => Promise<DuckDBPreparedStatement>, form: Form): Promise<Answer> {
    return await this.#busy(async () => {
      const statement = await prepare();
      const result = await statement.stream();
      return { names: result.deduplicatedColumnNames(), parts: this.#parts(statement, result, form) };
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

  async *#parts(
    statement: DuckDBPreparedStatement,
    result: Awaited<ReturnType<DuckDBPreparedStatement['stream']>>,
    form: Form,
  ): AsyncGenerator<Value[][]> {
    try {
      for (;;) {
        const chunk = await this.#busy(() => result.fetchChunk());
        if (chunk === null || chunk.rowCount === 0) return;
        yield form === 'json' ? chunk.convertColumns(JsonDuckDBValueConverter) : chunk.getColumns();
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
