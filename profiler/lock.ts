import {
  linkSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { BouhekiError } from '../error/error.ts';

/** The process that records into a database. `startTicks` tells it from a later process with the same pid. */
interface Holder {
  pid: number;
  startTicks: string;
}

/**
 * Our own lock beside the database, `PATH.lock`, with the recorder's pid inside. DuckDB's lock is not enough: it is
 * per process (a second instance in the same process goes unnoticed and drops it when closed) and names no purpose.
 */
export class RecorderLock {
  /** When the recorder before gave its last sign, if it left its lock behind. Microseconds since the epoch. */
  readonly lastSign: number | undefined;
  readonly #path: string;
  #held = true;

  private constructor(path: string, lastSign: number | undefined) {
    this.#path = path;
    this.lastSign = lastSign;
  }

  /** Throws BouhekiError `store-busy` when a living process records into `databasePath`. */
  static acquire(databasePath: string): RecorderLock {
    const path = `${databasePath}.lock`;
    const mine = `${path}.${process.pid}`;
    let lastSign: number | undefined;
    try {
      writeFileSync(mine, `${process.pid} ${startTicks(process.pid)}\n`, { mode: 0o600 });
      for (;;) {
        try {
          // A link appears whole or not at all: nobody can read a lock file that has no pid yet.
          linkSync(mine, path);
          return new RecorderLock(path, lastSign);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        }
        refuseIfRecording(databasePath);
        const left = statSync(path, { throwIfNoEntry: false });
        if (left !== undefined) lastSign = Math.floor(left.mtimeMs * 1000);
        discard(path);
      }
    } finally {
      // On a full disk it is there although writing it failed.
      rmSync(mine, { force: true });
    }
  }

  /** A sign that recording goes on, for whoever finds the lock after we have been killed. */
  sign(): void {
    const now = new Date();
    try {
      utimesSync(this.#path, now, now);
    } catch {
      // A read-only or vanished directory costs the sign; the times of the events are left.
    }
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    discard(this.#path);
  }
}

/** The pid of the living process that records into `databasePath`, if there is one. */
export function recorderOf(databasePath: string): number | undefined {
  const holder = readHolder(`${databasePath}.lock`);
  return holder !== undefined && isAlive(holder) ? holder.pid : undefined;
}

function refuseIfRecording(databasePath: string): void {
  const pid = recorderOf(databasePath);
  if (pid !== undefined) throw busy(databasePath, `recorded by process ${pid}`);
}

/** The error for a database that somebody else has open. */
export function busy(databasePath: string, how: string): BouhekiError {
  return new BouhekiError('store-busy', `${databasePath} is being ${how}`, {
    remedy: 'Wait for that process to end or stop it with SIGTERM, or name another database with --db.',
  });
}

function readHolder(path: string): Holder | undefined {
  try {
    const [pid, ticks] = readFileSync(path, 'utf8').trim().split(' ');
    return { pid: Number(pid), startTicks: ticks ?? '' };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
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

/** Moved aside first, so that a lock is gone in one step for whoever is about to take it. */
function discard(path: string): void {
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
    unlinkSync(aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
