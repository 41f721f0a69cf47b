import {
  JsonDuckDBValueConverter,
  StatementType,
  type DuckDBConnection,
  type DuckDBPreparedStatement,
  type DuckDBValue,
} from '@duckdb/node-api';
import { BouhekiError } from '../error/error.ts';
import type { Answer, Form, RecordSource, Value } from './record-source.ts';

/** A consistent view of the record through a connection of its own, for reading alone. */
export class Snapshot implements RecordSource {
  readonly #connection: DuckDBConnection;

  constructor(connection: DuckDBConnection) {
    this.#connection = connection;
  }

  /** Takes the view. Everything asked later sees the record as it is now, until a statement fails. */
  async begin(): Promise<void> {
    await this.#connection.run('BEGIN TRANSACTION READ ONLY');
    // DuckDB takes the snapshot at the first look into a table.
    await this.#connection.run('SELECT count(*) FROM schema_version');
  }

  async ask(sql: string, values: readonly DuckDBValue[], form: Form): Promise<Answer> {
    try {
      const statement = await this.#prepare(sql);
      if (values.length > 0) statement.bind([...values]);
      const result = await statement.stream();
      const names = result.deduplicatedColumnNames();
      return { names, parts: this.#parts(statement, result, form) };
    } catch (error) {
      await this.#again();
      throw error;
    }
  }

  /** Stops the statement that runs, if one does: it fails. */
  interrupt(): void {
    this.#connection.interrupt();
  }

  close(): void {
    this.#connection.closeSync();
  }

  /** One statement that reads. The transaction refuses writing as well, but not the end of itself. */
  async #prepare(sql: string): Promise<DuckDBPreparedStatement> {
    const statements = await this.#connection.extractStatements(sql);
    if (statements.count !== 1) throw new BouhekiError('usage', 'only one statement can be asked at a time');
    const statement = await statements.prepare(0);
    if (statement.statementType === StatementType.SELECT || statement.statementType === StatementType.EXPLAIN)
      return statement;
    statement.destroySync();
    throw new BouhekiError('usage', 'the record can only be read', {
      remedy: 'Ask with SELECT, DESCRIBE, SUMMARIZE, SHOW or EXPLAIN.',
    });
  }

  async *#parts(
    statement: DuckDBPreparedStatement,
    result: Awaited<ReturnType<DuckDBPreparedStatement['stream']>>,
    form: Form,
  ): AsyncGenerator<Value[][]> {
    try {
      for (;;) {
        const chunk = await result.fetchChunk();
        if (chunk === null || chunk.rowCount === 0) return;
        yield form === 'json' ? chunk.convertColumns(JsonDuckDBValueConverter) : chunk.getColumns();
      }
    } catch (error) {
      await this.#again();
      throw error;
    } finally {
      statement.destroySync();
    }
  }

  /** A failed statement aborts its transaction: what is asked next gets a new view. */
  async #again(): Promise<void> {
    await this.#connection.run('ROLLBACK').catch(() => undefined);
    await this.begin();
  }
}
