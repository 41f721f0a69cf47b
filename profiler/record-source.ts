import type { DuckDBValue, Json } from '@duckdb/node-api';
import type { LiveStatus } from './live-status.ts';

/** `exact`: integers of 64 bits as BigInt. `json`: what JSON can hold, those integers as text. */
export type Form = 'exact' | 'json';

export type Value = DuckDBValue | Json;

/** Names of the columns, and the rows in parts, each part column by column. Read it to its end, or `return` it. */
export interface Answer {
  names: string[];
  parts: AsyncGenerator<Value[][]>;
}

/** Where a reader gets its rows from: the file, or a copy of it while a recorder holds it. */
export interface RecordSource {
  /** What the recorder reported about itself when the copy was made; undefined where there is no recorder. */
  readonly recorder: LiveStatus | undefined;
  /** Asks one statement of our own. Errors are those of DuckDB, or a BouhekiError. */
  ask(sql: string, values: readonly DuckDBValue[]): Promise<Answer>;
  /** Asks one statement of a user's own, which may only read. Errors as for `ask`. */
  query(sql: string): Promise<Answer>;
  /** Stops what runs and lets go of the files. */
  close(): void;
}
