import type { DuckDBConnection } from '@duckdb/node-api';
import { statSync } from 'node:fs';
import { pruneProcesses, type OpenRecording } from './prune.ts';

const HOUR = 3_600_000_000n;

/** What a record may hold. */
export interface RetentionLimits {
  /** Age up to which single events are kept, seconds. */
  seconds?: number;
  /** Bytes in use, log included, above which the oldest single events are folded before their time. */
  bytes?: number;
}

/** What one look at the record came to. */
export interface RetentionReport {
  /** Events that became hourly rows. */
  folded: number;
  /** Bytes in use afterwards. Space that folding frees stays in the file and is used again. */
  bytes: number;
  /** Whether it is above the limit although nothing is left to fold. */
  tooLarge: boolean;
}

/**
 * Keeps a record within limits by folding single events of the past, hour by hour, into one row for all that are equal.
 * No observation is ever deleted, and neither counts nor first and last times change; what goes is the time of each
 * single event and the pid.
 */
export class Retention {
  readonly #connection: DuckDBConnection;
  readonly #path: string;
  readonly #limits: RetentionLimits;
  readonly #recording: () => OpenRecording | undefined;

  /** `connection` is used by nobody else. `recording` tells what is being written. */
  constructor(
    connection: DuckDBConnection,
    path: string,
    limits: RetentionLimits,
    recording: () => OpenRecording | undefined,
  ) {
    this.#connection = connection;
    this.#path = path;
    this.#limits = limits;
    this.#recording = recording;
  }

  /**
   * Looks once, and folds what has to be. Microseconds since the epoch: the hour of `now` is never folded, and
   * `believed`, which may be earlier, says what is old.
   */
  async enforce(now: number, believed = now): Promise<RetentionReport> {
    const { seconds, bytes } = this.#limits;
    const present = BigInt(now) / HOUR;
    let folded = 0;
    if (seconds !== undefined) {
      const last = (BigInt(believed) - BigInt(seconds) * 1_000_000n) / HOUR;
      for (let hour = await this.#oldest(); hour !== undefined && hour < last; hour = await this.#oldest()) {
        folded += await this.#fold(hour);
      }
    }
    if (folded > 0) await this.#tidy();
    let used = await this.#used();
    for (const limit = bytes ?? Number.POSITIVE_INFINITY; used > limit; used = await this.#used()) {
      // What a clock that was wrong has put into the future is not written any more either.
      const oldest = await this.#oldest();
      const hour = oldest === present ? await this.#oldest(present + 1n) : oldest;
      if (hour === undefined) return { folded, bytes: used, tooLarge: true };
      folded += await this.#fold(hour);
      await this.#tidy();
    }
    return { folded, bytes: used, tooLarge: false };
  }

  /** Ends what is under way, which fails. */
  interrupt(): void {
    this.#connection.interrupt();
  }

  closeSync(): void {
    this.#connection.closeSync();
  }

  /** The last time that the record knows of, before the recording that is open. Microseconds since the epoch. */
  async lastKnown(): Promise<number | undefined> {
    const rows = await this.#connection.runAndReadAll(
      `SELECT greatest((SELECT max(time) FROM event), (SELECT max(last) FROM hourly),
        (SELECT max(ended_at) FROM recording WHERE command <> 'import'))`,
    );
    const time = rows.getRowsJS()[0]![0];
    return time === null ? undefined : Number(time);
  }

  /** The clock hour of the oldest single event, of those from this hour on. */
  async #oldest(from = 0n): Promise<bigint | undefined> {
    const rows = await this.#connection.runAndReadAll('SELECT min(time) FROM event WHERE time >= $1', [
      from * HOUR,
    ]);
    const time = rows.getRowsJS()[0]![0] as bigint | null;
    return time === null ? undefined : time / HOUR;
  }

  async #fold(hour: bigint): Promise<number> {
    const bounds = [hour * HOUR, (hour + 1n) * HOUR];
    await this.#connection.run('BEGIN');
    try {
      await this.#connection.run(CANONICAL, bounds);
      await this.#connection.run(FOLD, bounds);
      const deleted = await this.#connection.run('DELETE FROM event WHERE time >= $1 AND time < $2', bounds);
      await this.#connection.run('COMMIT');
      return deleted.rowsChanged;
    } catch (error) {
      await this.#connection.run('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }

  /** Drops the names that no row uses any more, and gives the space back to the file. */
  async #tidy(): Promise<void> {
    await pruneProcesses(this.#connection, this.#recording());
    // Refused while others write; the next one, ours or DuckDB's own, does it.
    await this.#connection.run('CHECKPOINT').catch(() => undefined);
  }

  async #used(): Promise<number> {
    const rows = await this.#connection.runAndReadAll(
      'SELECT used_blocks * block_size FROM pragma_database_size() LIMIT 1',
    );
    const log = statSync(`${this.#path}.wal`, { throwIfNoEntry: false })?.size ?? 0;
    return Number(rows.getRowsJS()[0]![0]) + log;
  }
}

/**
 * Processes that tell the same of a connection: the first of them stands for all. Of the hour, and of those that stand
 * for others already: all processes there are would be too many.
 */
const CANONICAL = `
  CREATE OR REPLACE TEMP TABLE canonical AS
  SELECT recording, id, min(id) OVER (
    PARTITION BY recording, exe, script, container, unit, cgroup_path, flags,
      ancestors->>'$[*].command', ancestors->>'$[*].exe') AS process
  FROM process SEMI JOIN (
    SELECT recording, process AS id FROM event WHERE time >= $1 AND time < $2
    UNION SELECT recording, process FROM hourly) used USING (recording, id)`;

const KEY = `recording, process, command, credential, family, address_high, address_low, port, protocol, operation,
  verdict, box`;

const FOLD = `
  INSERT INTO hourly
  SELECT ${KEY}, count(*), min(time), max(time)
  FROM (
    SELECT e.* EXCLUDE (process), coalesce(c.process, e.process) AS process
    FROM event e LEFT JOIN canonical c ON c.recording = e.recording AND c.id = e.process
    WHERE e.time >= $1 AND e.time < $2)
  GROUP BY ${KEY}`;
