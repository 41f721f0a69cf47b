import { existsSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import type { DuckDBConnection } from '@duckdb/node-api';
import { BouhekiError } from '../../error/error.ts';
import { Allowance } from '../database/allowance.ts';
import { CheckpointHold } from '../database/checkpoint-hold.ts';
import { migrate, openDatabase, type Database } from '../database/database.ts';
import { storeFailure } from '../database/failure.ts';
import { KeptFile } from '../database/kept-file.ts';
import { lastEnforcement, type LastEnforcement } from './last-enforcement.ts';
import {
  learningWindow,
  type LearningPlan,
  type LearningWindow,
  type RunningWindow,
} from '../record/learning-window.ts';
import { liveStatus, type LiveStatus } from '../serve/live-status.ts';
import { RecorderLock } from '../database/lock.ts';
import { SEEN_OF_OPEN } from '../database/open-recording.ts';
import { withPrivateFiles } from '../database/private-files.ts';
import type { RecordingIdentity } from '../record/recording.ts';
import { RecordingWriter } from './recording-writer.ts';
import { type RecentAnswer, recentAnswers } from './recent-answers.ts';
import { Retention, type RetentionLimits } from './retention.ts';
import { RetentionClock } from './retention-clock.ts';
import { RetentionKeeper } from './retention-keeper.ts';
import { RecordServer } from '../serve/serve.ts';

/** What is known of a run when it starts. */
export interface RecordingInfo {
  host: string;
  /** Release of the kernel. */
  kernel: string;
  backend: 'lsm' | 'fmod_ret' | 'cgroup';
  command: 'learn' | 'enforce';
  /** For enforce: whether denials were only noted. */
  mode?: 'monitor' | 'block';
  target: 'host' | 'container';
  policyHash?: string;
  /** The learning window that it is part of, when one was asked for. */
  window?: LearningWindow;
}

/** A recording that an earlier run left open when it was killed. Times in microseconds since the epoch. */
interface InterruptedRecording {
  id: number;
  startedAt: number;
  /** When it is last known to have recorded: its last commit, or at least its last event or its start. */
  endedAt: number;
}

/** What a record has of the runs before. */
export interface Past {
  /** Recordings of killed runs that opening found and closed. */
  interrupted: readonly InterruptedRecording[];
  lastEnforcement: LastEnforcement | undefined;
}

/** What readers learn of a recorder. */
export interface RecorderOptions {
  /** What `status` shows of it; by default that it records nothing. */
  status?(): Promise<LiveStatus>;
  /** The process that people know, and send signals to; by default this one. */
  pid?: number;
}

/**
 * Opens the database for recording, and makes it (0600, its directory 0700) when there is none. From then on
 * it answers the readers of other processes. Throws BouhekiError: `store-busy` with the pid of another
 * recorder, `untrusted` when others can change what lies there, `disk-full`, or `store`.
 */
export async function openRecorder(
  path: string,
  { pid, status }: RecorderOptions = {},
): Promise<RecordStore> {
  let lock: RecorderLock | undefined;
  let database: Database | undefined;
  try {
    const held = (lock = RecorderLock.acquire(path, pid));
    const { path: file } = held;
    const isNew = !existsSync(file);
    const store = await withPrivateFiles(async () => {
      const opened = (database = await openDatabase(file, 'write'));
      await migrate(opened.connection, file);
      const interrupted = await closeLeftOpen(opened.connection, held.lastSign);
      const past = {
        interrupted,
        lastEnforcement: await lastEnforcement(opened.connection),
      };
      return new RecordStore(file, opened, held, past, isNew);
    });
    await store.serve(status ?? (() => liveStatus(undefined, { pending: 0, capacity: 0 })), pid);
    return store;
  } catch (error) {
    database?.close();
    lock?.release();
    throw storeFailure(error, path);
  }
}

/** The writing end of the database. One per database, on the whole machine. */
export class RecordStore {
  readonly path: string;
  /** What was found when it was opened. */
  readonly past: Past;
  readonly #database: Database;
  readonly #lock: RecorderLock;
  readonly #file: KeptFile;
  /** Whether opening has made the database. */
  readonly #isNew: boolean;
  /** Told in a sentence what was found amiss with the files of the record. */
  noticed: (text: string) => void = () => {};
  #writer: RecordingWriter | undefined;
  #server: RecordServer | undefined;
  #keeper: RetentionKeeper | undefined;
  #allowance: Allowance | undefined;
  #hold: CheckpointHold | undefined;
  #unserved: string | undefined;

  constructor(path: string, database: Database, lock: RecorderLock, past: Past, isNew: boolean) {
    this.path = path;
    this.past = past;
    this.#database = database;
    this.#lock = lock;
    this.#file = new KeptFile(path);
    this.#isNew = isNew;
  }

  /** For what is written beside a recording. */
  get connection(): DuckDBConnection {
    return this.#database.connection;
  }

  /** Why readers can't ask while this recorder runs; undefined when they can. */
  get unserved(): string | undefined {
    return this.#unserved;
  }

  /** Begins to answer readers. Recording goes on where there can be no socket; then `unserved` says why. */
  async serve(status: () => LiveStatus | Promise<LiveStatus>, pid = process.pid): Promise<void> {
    try {
      this.#hold = new CheckpointHold(await this.#database.connect());
      this.#server = await RecordServer.listen(this.path, this.#hold, { pid, status });
    } catch (error) {
      this.#unserved = (error as Error).message;
    }
  }

  /**
   * Starts a recording, whose names get their numbers elsewhere. One at a time: the one before must have
   * ended.
   */
  async startWriting(info: RecordingInfo): Promise<RecordingIdentity & { writer: RecordingWriter }> {
    const { connection } = this.#database;
    const startedAt = Date.now() * 1000;
    try {
      return await withPrivateFiles(async () => {
        const rows = await connection.runAndReadAll(
          `INSERT INTO recording
          SELECT coalesce(max(id), 0) + 1, $1, $2, $3, $4, $5, $6, $7, $8, NULL, 'open', NULL, $9, $10
          FROM recording RETURNING id`,
          [
            info.host,
            info.kernel,
            info.backend,
            info.command,
            info.mode ?? null,
            info.target,
            info.policyHash ?? null,
            BigInt(startedAt),
            info.window ? BigInt(info.window.start) : null,
            info.window ? BigInt(info.window.end) : null,
          ],
        );
        const id = Number(rows.getRowsJS()[0]![0]);
        const writer = await RecordingWriter.open(id, connection, this.path);
        writer.committed = () => this.#look();
        writer.feed = this.#server?.feed;
        this.#writer = writer;
        return { id, startedAt, writer };
      });
    } catch (error) {
      throw storeFailure(error, this.path);
    }
  }

  /**
   * Gives a sign, and sees that the record lies where it lay: what can be made again is. Throws when it does
   * not.
   */
  #look(): void {
    if (this.#lock.sign()) this.noticed(`${this.path}.lock had been removed; it was made again.`);
    if (this.#server?.lost === true) void this.#listenAgain(this.#server);
    if (!this.#file.there) throw lostRecord(this.path);
  }

  async #listenAgain(server: RecordServer): Promise<void> {
    const what = `${this.path}.sock, where readers ask, had been removed`;
    try {
      await server.listenAgain();
      this.noticed(`${what}; it was made again.`);
    } catch (error) {
      this.#unserved = (error as Error).message;
      this.noticed(`${what}; it cannot be made again: ${this.#unserved}.`);
    }
  }

  /**
   * Where a run with this plan stands in its window: at its start, or in that of a run that was cut short.
   */
  async learningWindow(plan: LearningPlan): Promise<RunningWindow> {
    return await learningWindow(this.#database.connection, plan, Date.now() * 1000);
  }

  /** What resolvers of this host have answered, the last first. To be asked when nothing is being recorded. */
  async recentAnswers(): Promise<RecentAnswer[]> {
    return await recentAnswers(this.#database.connection, hostname(), Date.now());
  }

  /** What keeps this record within limits. To be closed, by its own `close`, before the store. */
  async retention(limits: RetentionLimits): Promise<RetentionKeeper> {
    const allowance = (this.#allowance ??= new Allowance(await this.#database.connect(), () =>
      this.#keeper?.interrupt(),
    ));
    const retention = new Retention(await this.#database.connect(), this.path, limits, () => this.#writer);
    const clock = new RetentionClock(await retention.lastKnown());
    this.#keeper = new RetentionKeeper(retention, allowance, this.path, clock);
    return this.#keeper;
  }

  /**
   * Sends readers away and waits until nothing that was begun for them runs any more. To come before `close`.
   */
  async stopServing(): Promise<void> {
    await this.#server?.close();
    await this.#hold?.close();
    await this.#allowance?.close();
    this.#allowance = undefined;
  }

  /** Closes the database and gives the lock back. A recording that has not ended counts as interrupted. */
  close(): void {
    this.#close(() => {});
  }

  /** As `close`, and takes a database back that opening has made; one that was there before stays. */
  discard(): void {
    this.#close(() => {
      if (this.#isNew) for (const path of [this.path, `${this.path}.wal`]) rmSync(path, { force: true });
    });
  }

  /** `closed` is called while the lock still keeps other recorders away. */
  #close(closed: () => void): void {
    this.#writer?.abandon();
    this.#server?.closeSync();
    this.#hold?.closeSync();
    this.#allowance?.closeSync();
    try {
      this.#database.close();
      closed();
    } finally {
      this.#lock.release();
    }
  }
}

function lostRecord(path: string): BouhekiError {
  return new BouhekiError(
    'store',
    `${path} was removed, moved or replaced while it was written; recording stopped`,
    {
      remedy:
        'Start again for a new record. What was committed is in the file that was there, wherever it is now.',
    },
  );
}

/**
 * Where the clock was set, the times of events don't compare with that of the last sign, and the sign is the
 * later one.
 */
async function closeLeftOpen(
  connection: DuckDBConnection,
  lastSign: number | undefined,
): Promise<InterruptedRecording[]> {
  const rows = await connection.runAndReadAll(
    `UPDATE recording SET state = 'interrupted',
      ended_at = CASE WHEN seen.stepped THEN $1::BIGINT ELSE greatest(seen.last, started_at, $1::BIGINT) END,
      events = coalesce(seen.events, 0)
    FROM (SELECT r.id, s.last, s.events,
        $1 IS NOT NULL AND EXISTS (FROM clock_step c WHERE c.recording = r.id) AS stepped
      FROM recording r LEFT JOIN (${SEEN_OF_OPEN}) s ON s.recording = r.id WHERE r.state = 'open') seen
    WHERE recording.id = seen.id RETURNING recording.id, started_at, ended_at`,
    [lastSign === undefined ? null : BigInt(lastSign)],
  );
  return rows.getRowsJS().map(([id, startedAt, endedAt]) => ({
    id: Number(id),
    startedAt: Number(startedAt),
    endedAt: Number(endedAt),
  }));
}
