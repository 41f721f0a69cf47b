import type { DuckDBValue } from '@duckdb/node-api';
import type { Answer, RawAnswer } from './answer.ts';
import type { LiveStatus } from '../serve/live-status.ts';

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
