import {
  BIGINT,
  INTEGER,
  UBIGINT,
  UINTEGER,
  USMALLINT,
  UTINYINT,
  type DuckDBAppender,
} from '@duckdb/node-api';
import type { EventBatch } from './batch.ts';
import { ColumnChunk } from './column-chunk.ts';

/** In the order of the `event` table's columns. */
const TYPES = [
  INTEGER,
  BIGINT,
  INTEGER,
  INTEGER,
  UINTEGER,
  UINTEGER,
  UTINYINT,
  UBIGINT,
  UBIGINT,
  USMALLINT,
  USMALLINT,
  UTINYINT,
  UTINYINT,
  INTEGER,
];

/** The one data chunk through which all events of a recording go. */
export class EventChunk {
  readonly #chunk = new ColumnChunk(TYPES);

  constructor(recording: number) {
    this.#chunk.columns[0]!.fill(recording as never);
  }

  /** Appends a copy of `batch`, which may be reset and filled again afterwards. */
  append(batch: EventBatch, appender: DuckDBAppender): void {
    const values = [
      batch.time,
      batch.process,
      batch.command,
      batch.uid,
      batch.gid,
      batch.family,
      batch.addressHigh,
      batch.addressLow,
      batch.port,
      batch.protocol,
      batch.operation,
      batch.verdict,
      batch.box,
    ];
    for (const [index, column] of values.entries()) this.#chunk.columns[index + 1]!.set(column as never);
    this.#chunk.appendTo(appender, batch.length);
  }
}
