import type { DuckDBConnection } from '@duckdb/node-api';
import { statSync } from 'node:fs';
import { EVENT_KEY, NAME_KEY, sqlNames } from '../event/columns.ts';
import { pruneNames, pruneProcesses, type OpenRecording } from './prune.ts';

const HOUR = 3_600_000_000n;
const MINUTE = 60_000_000n;

/** A user with fewer rows than that loses none. */
const THINNED_FROM = 100_000n;

/** What a record may hold. */
export interface RetentionLimits {
  /** Age up to which single events are kept, seconds. */
  seconds?: number;
  /**
   * Bytes in use, log included, above which the oldest single events are folded before their time, and, where
   * that is not enough, rows of the user who has the most are taken out by chance.
   */
  bytes?: number;
}

/** What one look at the record came to. */
export interface RetentionReport {
  /** Events that became hourly rows. */
  folded: number;
  /** Events of one user that were taken out; see Retention. */
  thinned: number;
  /** Bytes in use afterwards. Space that folding frees stays in the file and is used again. */
  bytes: number;
  /** Whether it is above the limit although nothing is left to fold, nor a user with very many rows. */
  tooLarge: boolean;
}

/**
 * Keeps a record within limits by folding single events of the past, hour by hour, into one row for all that
 * are equal. Neither counts nor first and last times change; what goes is the time of each single event and
 * the pid.
 *
 * What goes to ever other destinations does not fold. Where a record is too large all the same, the user who
 * has the most rows, if they are very many, loses half of them, by chance, so that no user can choose which:
 * that is a loss, counted as such with the user. No other user loses anything.
 */
export class Retention {
  readonly #connection: DuckDBConnection;
  readonly #path: string;
  readonly #limits: RetentionLimits;
  readonly #recording: () => OpenRecording | undefined;

  /** `connection` has no other user. `recording` returns what is being written. */
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
   * Looks once, and folds what has to be. Microseconds since the epoch: the last minute before `now` and what
   * is left of its hour are never folded, and `believed`, which may be earlier, says what is old.
   */
  async enforce(now: number, believed = now): Promise<RetentionReport> {
    const { seconds, bytes = Number.POSITIVE_INFINITY } = this.#limits;
    let folded = 0;
    if (seconds !== undefined) {
      const last = ((BigInt(believed) - BigInt(seconds) * 1_000_000n) / HOUR) * HOUR;
      folded += await this.#foldBefore(last);
      await this.#connection.run(DROP_ANSWERS, [0n, last]);
    }
    if (folded > 0) await this.#tidy();
    let used = await this.#used();
    while (used > bytes) {
      // What a clock that was wrong has put into the future is not written any more either.
      const future = (BigInt(now) / HOUR + 1n) * HOUR;
      const oldest = (await this.#foldOldest(0n, BigInt(now) - MINUTE)) || (await this.#foldOldest(future));
      if (oldest === 0) break;
      folded += oldest;
      await this.#tidy();
      used = await this.#used();
    }
    // Of hours without events.
    if (used > bytes) await this.#connection.run(DROP_ANSWERS, [0n, BigInt(now) - HOUR]);
    // Space may come back at a later checkpoint than the one that followed what made it free.
    if (used > bytes) await this.#tidy();
    used = await this.#used();
    if (used <= bytes) return { folded, thinned: 0, bytes: used, tooLarge: false };
    // Once a look: the file may give space back later, and as much as that has come of it is to be seen
    // first.
    const thinned = await this.#thin(now);
    if (thinned > 0) await this.#tidy();
    return { folded, thinned, bytes: await this.#used(), tooLarge: thinned === 0 };
  }

  /** Ends what is under way, which fails. */
  interrupt(): void {
    this.#connection.interrupt();
  }

  closeSync(): void {
    this.#connection.closeSync();
  }

  /**
   * The last time that the record knows of, before the recording that is open. Microseconds since the epoch.
   */
  async lastKnown(): Promise<number | undefined> {
    const rows = await this.#connection.runAndReadAll(
      `SELECT greatest((SELECT max(time + span) FROM event), (SELECT max(last) FROM hourly),
        (SELECT max(ended_at) FROM recording WHERE command <> 'import'))`,
    );
    const time = rows.getRowsJS()[0]![0];
    return time === null ? undefined : Number(time);
  }

  /** Folds whatever is older than that, hour by hour. Returns how many events there were. */
  async #foldBefore(end: bigint): Promise<number> {
    for (let sum = 0; ;) {
      const folded = await this.#foldOldest(0n, end);
      if (folded === 0) return sum;
      sum += folded;
    }
  }

  /** Folds the hour of the oldest single event from `start` on, as far as it is before `end`. */
  async #foldOldest(start: bigint, end?: bigint): Promise<number> {
    const rows = await this.#connection.runAndReadAll('SELECT min(time) FROM event WHERE time >= $1', [
      start,
    ]);
    const time = rows.getRowsJS()[0]![0] as bigint | null;
    if (time === null || (end !== undefined && time >= end)) return 0;
    const hour = time / HOUR;
    const next = (hour + 1n) * HOUR;
    return await this.#fold([hour * HOUR, end !== undefined && end < next ? end : next]);
  }

  async #fold(bounds: [bigint, bigint]): Promise<number> {
    return await this.#atOnce(async () => {
      await this.#connection.run(CANONICAL, bounds);
      await this.#connection.run(FOLD, bounds);
      const events = await this.#connection.runAndReadAll(
        'SELECT sum(count)::DOUBLE FROM event WHERE time >= $1 AND time < $2',
        bounds,
      );
      await this.#connection.run('DELETE FROM event WHERE time >= $1 AND time < $2', bounds);
      await this.#connection.run(DROP_ANSWERS, bounds);
      return Number(events.getRowsJS()[0]![0]);
    });
  }

  /**
   * Takes out half of the rows of the user who has the most. Returns how many events that were; 0 when they
   * are not many.
   */
  async #thin(now: number): Promise<number> {
    const most = (await this.#connection.runAndReadAll(MOST)).getRowsJS()[0] as [number, bigint] | undefined;
    if (most === undefined || most[1] < THINNED_FROM) return 0;
    const picked = [most[0], Math.floor(Math.random() * 2 ** 30)];
    return await this.#atOnce(async () => {
      let sum = 0;
      for (const [table, count] of [
        ['event', 'sum(count)::BIGINT'],
        ['hourly', 'sum(count)::BIGINT'],
      ]) {
        const lost = await this.#connection.runAndReadAll(
          `INSERT INTO loss SELECT recording, $3, 'size', ${count}, $1 FROM ${table} WHERE ${PICKED}
          GROUP BY recording RETURNING count`,
          [...picked, BigInt(now)],
        );
        sum += lost.getRowsJS().reduce((total, [each]) => total + Number(each), 0);
        await this.#connection.run(`DELETE FROM ${table} WHERE ${PICKED}`, picked);
      }
      return sum;
    });
  }

  async #atOnce<T>(work: () => Promise<T>): Promise<T> {
    await this.#connection.run('BEGIN');
    try {
      const result = await work();
      await this.#connection.run('COMMIT');
      return result;
    } catch (error) {
      await this.#connection.run('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }

  /** Drops the names that no row uses any more, and gives the space back to the file. */
  async #tidy(): Promise<void> {
    await pruneProcesses(this.#connection, this.#recording());
    await pruneNames(this.#connection, this.#recording());
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
 * Processes that say the same of a connection: the first of them stands for all. Of the hour, and of those
 * that stand for others already: all processes there are would be too many.
 */
const CANONICAL = `
  CREATE OR REPLACE TEMP TABLE canonical AS
  SELECT recording, id, min(id) OVER (
    PARTITION BY recording, exe, script, container, unit, cgroup_path, flags,
      ancestors->>'$[*].command', ancestors->>'$[*].exe') AS process
  FROM process SEMI JOIN (
    SELECT recording, process AS id FROM event WHERE time >= $1 AND time < $2
    UNION SELECT recording, process FROM hourly) used USING (recording, id)`;

/** The user who has the most rows, and how many. */
const MOST = `
  SELECT k.uid, sum(rows)::BIGINT FROM (
    SELECT recording, credential, count(*) AS rows FROM event GROUP BY ALL
    UNION ALL SELECT recording, credential, count(*) FROM hourly GROUP BY ALL) e
  JOIN credential k ON k.recording = e.recording AND k.id = e.credential
  GROUP BY k.uid ORDER BY 2 DESC LIMIT 1`;

/**
 * Every second row of a user ($1), another half for each number ($2): hash(a, b) would leave the other half
 * alone.
 */
const PICKED = `(recording, credential) IN (SELECT (recording, id) FROM credential WHERE uid = $1)
  AND hash(rowid + $2::BIGINT) % 2 = 0`;

/** Answers are kept as long as the single events of their time. */
const DROP_ANSWERS = 'DELETE FROM answer WHERE last >= $1 AND last < $2';

const KEY = ['recording', ...sqlNames(EVENT_KEY)].join(', ');
const NAMES = sqlNames(NAME_KEY).join(', ');

const FOLD = `
  INSERT INTO hourly
  SELECT ${KEY}, sum(count), min(time), max(time + span), ${NAMES}, max(age)
  FROM (
    SELECT e.* EXCLUDE (process), coalesce(c.process, e.process) AS process
    FROM event e LEFT JOIN canonical c ON c.recording = e.recording AND c.id = e.process
    WHERE e.time >= $1 AND e.time < $2)
  GROUP BY ${KEY}, ${NAMES}`;
