import type { DuckDBDataChunk, DuckDBValue, Json } from '@duckdb/node-api';
import type { LiveStatus } from '../serve/live-status.ts';

/** Integers of 64 bits are BigInt; text in an answer for JSON. */
export type Value = DuckDBValue | Json;

/**
 * Names of the columns, and the rows in parts, each part column by column. Read it to its end, or `return`
 * it.
 */
export interface Answer {
  names: string[];
  parts: AsyncGenerator<Value[][]>;
}

/** The same as DuckDB has them: a column of numbers need not become a list. Each part is read before the next one. */
export interface RawAnswer {
  names: string[];
  parts: AsyncGenerator<DuckDBDataChunk>;
}

/** Where a reader gets its rows from: the file, or a copy of it while a recorder holds it. */
export interface RecordSource {
  /** What the recorder reported about itself when the copy was made; undefined where there is no recorder. */
  readonly recorder: LiveStatus | undefined;
  /** Asks one statement of our own. Errors are those of DuckDB, or a BouhekiError. */
  ask(sql: string, values: readonly DuckDBValue[]): Promise<Answer>;
  /** The same, as DuckDB has it. */
  askRaw(sql: string, values: readonly DuckDBValue[]): Promise<RawAnswer>;
  /** Asks one statement of a user's own, which may only read. Errors as for `ask`. */
  query(sql: string): Promise<Answer>;
  /** Stops what runs and lets go of the files. */
  close(): void;
}
