import { listValue, type DuckDBAppender, type DuckDBConnection, type DuckDBType } from '@duckdb/node-api';
import type { Cell } from './row-writer.ts';

/** Appends rows to one of the small tables beside the events. */
export class RowAppender {
  readonly #appender: DuckDBAppender;
  readonly #types: readonly DuckDBType[];
  #pending = 0;

  private constructor(appender: DuckDBAppender) {
    this.#appender = appender;
    this.#types = Array.from({ length: appender.columnCount }, (_, index) => appender.columnType(index));
  }

  static async open(connection: DuckDBConnection, table: string): Promise<RowAppender> {
    return new RowAppender(await connection.createAppender(table));
  }

  /** One value a column, in the order of the table. Committed by the next `flushSync`. */
  append(cells: readonly Cell[]): void {
    for (const [index, cell] of cells.entries()) {
      if (cell === undefined || cell === '') this.#appender.appendNull();
      else this.#appender.appendValue(typeof cell === 'object' ? listValue(cell) : cell, this.#types[index]);
    }
    this.#appender.endRow();
    this.#pending += 1;
  }

  flushSync(): void {
    if (this.#pending === 0) return;
    this.#appender.flushSync();
    this.#pending = 0;
  }

  closeSync(): void {
    this.#appender.closeSync();
  }

  /** Drops what was not flushed and closes: for a database that cannot be written any more. */
  abandon(): void {
    this.#appender.clear();
    this.#appender.closeSync();
  }
}
