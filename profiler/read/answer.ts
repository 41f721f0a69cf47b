import type { DuckDBValue, Json } from '@duckdb/node-api';

/** `exact`: integers of 64 bits as BigInt. `json`: what JSON can hold, those integers as text. */
export type Form = 'exact' | 'json';

export type Value = DuckDBValue | Json;

/**
 * Names of the columns, and the rows in parts, each part column by column. Read it to its end, or `return`
 * it.
 */
export interface Answer {
  names: string[];
  parts: AsyncGenerator<Value[][]>;
}
