import { DuckDBDataChunk, type DuckDBAppender, type DuckDBType, type DuckDBVector } from '@duckdb/node-api';
import { BATCH_ROWS } from './batch.ts';

export type Column = Int32Array | Uint32Array | Uint8Array | Uint16Array | BigInt64Array | BigUint64Array;

/**
 * A data chunk of numeric columns that is filled and appended again and again. Its vectors are taken once at full size
 * and written in their own memory: measured twice as fast as `setItem` for each value. Only the row count changes.
 */
export class ColumnChunk {
  /** The memory of each column, 2,048 values. */
  readonly columns: readonly Column[];
  readonly #chunk: DuckDBDataChunk;
  readonly #vectors: readonly DuckDBVector[];

  constructor(types: readonly DuckDBType[]) {
    this.#chunk = DuckDBDataChunk.create(types, BATCH_ROWS);
    this.#vectors = types.map((_, index) => this.#chunk.getColumnVector(index));
    this.columns = this.#vectors.map(backing);
  }

  /** Appends the first `rows` rows. The memory may be filled again afterwards. */
  appendTo(appender: DuckDBAppender, rows: number): void {
    for (const vector of this.#vectors) vector.flush();
    this.#chunk.rowCount = rows;
    appender.appendDataChunk(this.#chunk);
  }
}

/**
 * The typed array behind a numeric vector. Private in the typings, so it is looked up by name and checked: should an
 * upgrade of the driver rename it, opening a recording fails at once instead of writing zeros.
 */
function backing(vector: DuckDBVector): Column {
  const items: unknown = Reflect.get(vector, 'items');
  if (!ArrayBuffer.isView(items)) throw new Error(`${vector.constructor.name} has no typed array`);
  return items as Column;
}
