import type { DuckDBConnection } from '@duckdb/node-api';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { migrate, openDatabase, type Database } from './database.ts';
import { storeFailure } from './failure.ts';
import { RecorderLock } from './lock.ts';
import { withPrivateFiles } from './private-files.ts';
import { Recording } from './recording.ts';

/** What is known of a run when it starts. */
export interface RecordingInfo {
  host: string;
  /** Release of the kernel. */
  kernel: string;
  backend: 'lsm' | 'cgroup';
  command: 'learn' | 'enforce';
  /** For enforce: whether denials were only noted. */
  mode?: 'monitor' | 'block';
  target: 'host' | 'container';
  policyHash?: string;
}

/** A recording that an earlier run left open when it was killed. Times in microseconds since the epoch. */
export interface InterruptedRecording {
  id: number;
  startedAt: number;
  /** Time of its last event; its start when it has none. */
  endedAt: number;
}

/**
 * Opens the database for recording, and makes it (0600, its directory 0700) when there is none.
 * Throws BouhekiError: `store-busy` with the pid of another recorder, `disk-full`, or `store`.
 */
export async function openRecorder(path: string): Promise<RecorderStore> {
  let lock: RecorderLock | undefined;
  let database: Database | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const held = (lock = RecorderLock.acquire(path));
    return await withPrivateFiles(async () => {
      const opened = (database = await openDatabase(path, 'write'));
      await migrate(opened.connection, path);
      return new RecorderStore(path, opened, held, await closeLeftOpen(opened.connection));
    });
  } catch (error) {
    database?.close();
    lock?.release();
    throw storeFailure(error, path);
  }
}

/** The writing end of the database. One per database, on the whole machine. */
export class RecorderStore {
  readonly path: string;
  /** Recordings of killed runs that opening found and closed. */
  readonly interrupted: readonly InterruptedRecording[];
  readonly #database: Database;
  readonly #lock: RecorderLock;
  #recording: Recording | undefined;

  constructor(
    path: string,
    database: Database,
    lock: RecorderLock,
    interrupted: readonly InterruptedRecording[],
  ) {
    this.path = path;
    this.interrupted = interrupted;
    this.#database = database;
    this.#lock = lock;
  }

  /** Starts a recording. One at a time: the one before must have ended. */
  async startRecording(info: RecordingInfo): Promise<Recording> {
    const { connection } = this.#database;
    try {
      return await withPrivateFiles(async () => {
        const rows = await connection.runAndReadAll(
          `INSERT INTO recording
          SELECT coalesce(max(id), 0) + 1, $1, $2, $3, $4, $5, $6, $7, $8, NULL, 'open', NULL FROM recording
          RETURNING id`,
          [
            info.host,
            info.kernel,
            info.backend,
            info.command,
            info.mode ?? null,
            info.target,
            info.policyHash ?? null,
            BigInt(Date.now()) * 1000n,
          ],
        );
        this.#recording = await Recording.open(Number(rows.getRowsJS()[0]![0]), connection, this.path);
        return this.#recording;
      });
    } catch (error) {
      throw storeFailure(error, this.path);
    }
  }

  /** Closes the database and gives the lock back. A recording that has not ended counts as interrupted. */
  close(): void {
    this.#recording?.abandon();
    try {
      this.#database.close();
    } finally {
      this.#lock.release();
    }
  }
}

async function closeLeftOpen(connection: DuckDBConnection): Promise<InterruptedRecording[]> {
  const rows = await connection.runAndReadAll(
    `UPDATE recording SET state = 'interrupted', ended_at = coalesce(seen.last, started_at), events = seen.events
    FROM (SELECT r.id, max(e.time) AS last, count(e.time) AS events
      FROM recording r LEFT JOIN event e ON e.recording = r.id WHERE r.state = 'open' GROUP BY r.id) seen
    WHERE recording.id = seen.id RETURNING recording.id, started_at, ended_at`,
  );
  return rows.getRowsJS().map(([id, startedAt, endedAt]) => ({
    id: Number(id),
    startedAt: Number(startedAt),
    endedAt: Number(endedAt),
  }));
}
