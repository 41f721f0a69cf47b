import type { DuckDBDataChunk, DuckDBValue, Json } from '@duckdb/node-api';

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
