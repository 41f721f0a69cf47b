import type { DuckDBAppender, DuckDBConnection } from '@duckdb/node-api';
import type { EventBatch } from '../event/batch.ts';
import { ColumnChunk } from '../database/column-chunk.ts';
import { EVENT, type Column } from '../event/columns.ts';
import { checkpoint } from '../database/database.ts';
import { storeFailure } from '../database/failure.ts';
import type { Feed } from '../serve/feed.ts';
import { withPrivateFiles, withPrivateFilesSync } from '../database/private-files.ts';
import { RowAppender } from '../database/row-appender.ts';
import {
  NAME_TABLES,
  type Cell,
  type NameTable,
  type RecordingEnd,
  type RowWriter,
  type Settled,
} from '../database/row-writer.ts';

/**
 * DuckDB commits an appender by itself at 204,800 rows; we come first, so that names are committed before
 * events. And at the size of its row groups: those it writes to their place at once, anything less goes
 * through the log. Measured: half the cost of commits of 20,480 rows.
 */
const MAX_UNFLUSHED = 122_880;

/** Writes the rows of one recording through DuckDB's appenders, in the thread that has the database open. */
export class RecordingWriter implements RowWriter {
  /** Called when everything so far has been committed. What it throws ends the recording. */
  committed: () => void = () => {};
  /** Where all that is written goes as well, for those who watch. */
  feed: Feed | undefined;
  /** What was settled last. */
  settled: Settled | undefined;
  /** No later event names a set of names up to this row id. */
  retiredNames = 0;
  readonly recording: number;
  readonly #connection: DuckDBConnection;
  readonly #path: string;
  readonly #events: DuckDBAppender;
  readonly #chunk = new ColumnChunk(EVENT);
  readonly #memory: readonly Column[] = Object.values(this.#chunk.columns);
  readonly #names: Record<NameTable, RowAppender>;
  #unflushed = 0;
  #failure: Error | undefined;
  #ended = false;

  private constructor(
    recording: number,
    connection: DuckDBConnection,
    path: string,
    events: DuckDBAppender,
    names: Record<NameTable, RowAppender>,
  ) {
    this.recording = recording;
    this.#connection = connection;
    this.#path = path;
    this.#events = events;
    this.#names = names;
    this.#chunk.recording.fill(recording);
  }

  static async open(recording: number, connection: DuckDBConnection, path: string): Promise<RecordingWriter> {
    const names = {} as Record<NameTable, RowAppender>;
    for (const table of NAME_TABLES) names[table] = await RowAppender.open(connection, table);
    return new RecordingWriter(recording, connection, path, await connection.createAppender('event'), names);
  }

  get room(): number {
    return Number.POSITIVE_INFINITY;
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  add(table: NameTable, cells: readonly Cell[]): void {
    this.#guard(() => this.#names[table].append([this.recording, ...cells]));
    this.feed?.add(table, cells);
  }

  /** `lasting`: as for `Feed.append`. */
  append(batch: EventBatch, lasting?: Uint8Array): void {
    this.#guard(() => {
      if (this.#unflushed + batch.length > MAX_UNFLUSHED) this.#commit();
      for (const [index, column] of Object.values(batch.columns).entries()) {
        this.#memory[index]!.set(column as never);
      }
      this.#chunk.appendTo(this.#events, batch.length);
      this.#unflushed += batch.length;
    });
    this.feed?.append(batch, lasting);
  }

  settle(settled: Settled): void {
    this.commit();
    this.settled = settled;
    this.feed?.settled(settled);
  }

  retireNames(last: number): void {
    this.commit();
    this.retiredNames = last;
    this.feed?.retired(last);
  }

  commit(): void {
    this.#guard(() => {
      this.#commit();
      this.committed();
    });
    this.feed?.committed();
  }

  async end({ state, events }: RecordingEnd): Promise<void> {
    this.commit();
    this.#ended = true;
    this.settled = undefined;
    try {
      await withPrivateFiles(async () => {
        for (const table of NAME_TABLES) this.#names[table].closeSync();
        this.#events.closeSync();
        await this.#connection.run(
          `UPDATE recording SET state = $1, ended_at = $2, events = $3 WHERE id = $4`,
          [state, BigInt(Date.now()) * 1000n, BigInt(events), this.recording],
        );
        await checkpoint(this.#connection);
      });
    } catch (error) {
      throw this.#fail(error);
    }
  }

  abandon(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const close of [
      () => this.#events.clear(),
      () => this.#events.closeSync(),
      ...NAME_TABLES.map((table) => () => this.#names[table].abandon()),
    ]) {
      try {
        close();
      } catch {
        // Closing an appender of a broken database reports the same failure again.
      }
    }
  }

  #commit(): void {
    withPrivateFilesSync(() => {
      for (const table of NAME_TABLES) this.#names[table].flushSync();
      if (this.#unflushed > 0) this.#events.flushSync();
    });
    this.#unflushed = 0;
  }

  #guard(work: () => void): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#ended) throw new Error('the recording has ended');
    try {
      work();
    } catch (error) {
      throw this.#fail(error);
    }
  }

  #fail(error: unknown): Error {
    this.#failure = storeFailure(error, this.#path);
    return this.#failure;
  }
}
