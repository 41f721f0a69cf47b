import {
  closeSync,
  constants,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { BouhekiError } from '../../error/error.ts';
import { RecordPlace, requireDirectory } from './record-place.ts';

/**
 * The process that has a database open for recording. `startTicks` distinguishes it from a later process with
 * the same pid.
 */
interface Holder {
  pid: number;
  startTicks: string;
  /** The process that records, which people know: itself, or the one that has started it. */
  recorder: number;
}

/**
 * Our own lock beside the database, `PATH.lock`, with the recorder's pid inside. DuckDB's lock is not enough:
 * it is per process (a second instance in the same process goes unnoticed and drops it when closed) and names
 * no purpose.
 */
export class RecorderLock {
  /**
   * When the recorder before gave its last sign, if it left its lock behind. Microseconds since the epoch.
   */
  readonly lastSign: number | undefined;
  readonly #place: RecordPlace;
  readonly #recorder: number;
  #held = true;

  private constructor(place: RecordPlace, lastSign: number | undefined, recorder: number) {
    this.#place = place;
    this.#recorder = recorder;
    this.lastSign = lastSign;
  }

  /**
   * The database's path, without links. While the lock is held only root and the caller can change what it
   * means.
   */
  get path(): string {
    return this.#place.path;
  }

  /**
   * Makes the database's directory (0700) where there is none. Throws BouhekiError `store-busy` when a living
   * process records into `databasePath`, and as `RecordPlace.open`. The lock lasts as long as this process;
   * `recorder` is the one that is named to people.
   */
  static acquire(databasePath: string, recorder = process.pid): RecorderLock {
    const place = RecordPlace.open(databasePath, 'make');
    try {
      return new RecorderLock(place, take(place, databasePath, recorder), recorder);
    } catch (error) {
      place[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * A sign that recording goes on, for the process that finds the lock after this one was killed. Returns
   * whether somebody has removed the lock, and it was made again.
   */
  sign(): boolean {
    if (!this.#held) return false;
    const now = new Date();
    try {
      utimesSync(this.#place.at(LOCK), now, now);
      return false;
    } catch (error) {
      // A read-only directory costs the sign; the times of the events are left.
      return (error as NodeJS.ErrnoException).code === 'ENOENT' && this.#retake();
    }
  }

  #retake(): boolean {
    try {
      take(this.#place, this.#place.path, this.#recorder);
      return true;
    } catch {
      // Its directory is gone too, or another recorder is about to find that the database is in use.
      return false;
    }
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    try {
      discard(this.#place);
    } finally {
      this.#place[Symbol.dispose]();
    }
  }
}

const LOCK = '.lock';

/** Makes the lock ours. Returns the last sign of a recorder that has left its own behind. */
function take(place: RecordPlace, databasePath: string, recorder: number): number | undefined {
  const mine = place.at(`${LOCK}.${process.pid}`);
  let lastSign: number | undefined;
  try {
    // What lies there is left from a killed process with our pid.
    rmSync(mine, { force: true });
    const fd = openSync(mine, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      writeFileSync(fd, `${process.pid} ${startTicks(process.pid)} ${recorder}\n`);
    } finally {
      closeSync(fd);
    }
    for (;;) {
      try {
        // A link appears whole or not at all: no process can read a lock file that has no pid yet.
        linkSync(mine, place.at(LOCK));
        return lastSign;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      refuseIfRecording(place, databasePath);
      const left = place.directory.look(place.name + LOCK);
      if (left !== undefined) lastSign = Math.floor(left.mtimeMs * 1000);
      discard(place);
    }
  } finally {
    // On a full disk it is there although writing it failed.
    rmSync(mine, { force: true });
  }
}

/**
 * The pid of the living process that records into `databasePath`, if there is one. Throws as
 * `RecordPlace.open`.
 */
export function recorderOf(databasePath: string): number | undefined {
  using place = RecordPlace.open(databasePath, 'find');
  return livingHolder(place);
}

/**
 * Refuses a database that cannot be opened for recording, before anything is done for it that takes long.
 * Throws BouhekiError `store` where its directory is missing, `store-busy`, and `untrusted`. What else is wrong
 * is left to those who open it.
 */
export function requireRecordable(databasePath: string): void {
  requireDirectory(databasePath);
  try {
    using place = RecordPlace.open(databasePath, 'find');
    refuseIfRecording(place, databasePath);
  } catch (error) {
    if (error instanceof BouhekiError) throw error;
  }
}

function livingHolder(place: RecordPlace): number | undefined {
  const holder = readHolder(place);
  return holder !== undefined && isAlive(holder) ? holder.recorder : undefined;
}

function refuseIfRecording(place: RecordPlace, databasePath: string): void {
  const pid = livingHolder(place);
  if (pid !== undefined) throw busy(databasePath, `recorded by process ${pid}`);
}

/** The error for a database that another process has open. */
export function busy(databasePath: string, how: string): BouhekiError {
  return new BouhekiError('store-busy', `${databasePath} is being ${how}`, {
    remedy: 'Wait for that process to end or stop it with SIGTERM, or name another database with --db.',
  });
}

/** Only a lock of a trusted user says anything: with any other one, every user could prevent recording. */
function readHolder(place: RecordPlace): Holder | undefined {
  const [pid, ticks, recorder] = place.readText(LOCK)?.trim().split(' ') ?? [];
  if (pid === undefined) return undefined;
  return { pid: Number(pid), startTicks: ticks ?? '', recorder: Number(recorder ?? pid) };
}

function isAlive(holder: Holder): boolean {
  const ticks = startTicks(holder.pid);
  return ticks !== '' && ticks === holder.startTicks;
}

/** Start time of a process in clock ticks since boot; empty when there is no such process. */
function startTicks(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name, in parentheses, may itself hold spaces and parentheses: count from the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const state = fields[0];
    return state === 'Z' || state === 'X' ? '' : (fields[19] ?? '');
  } catch {
    return '';
  }
}

/** Moved aside first, so that a lock is gone in one step for the process that is about to take it. */
function discard(place: RecordPlace): void {
  const aside = place.at(`${LOCK}.stale.${process.pid}`);
  try {
    renameSync(place.at(LOCK), aside);
    unlinkSync(aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
