import {
  closeSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { constants, copyFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BouhekiError } from '../../error/error.ts';

/** A checkpoint changes these bytes at the start of the file, and nothing else does. */
const HEADER_BYTES = 3 * 4096;
/** Copies that may fail because of a checkpoint, and milliseconds between them. */
const ATTEMPTS = 20;
const PAUSE = 100;

/** A database file, with its log beside it, that belongs to this process alone. */
export interface RecordCopy {
  readonly path: string;
  /**
   * Takes the names of the files away. What has been opened can still be read, and a directory to spill into
   * stays.
   */
  unlink(): void;
  /** Takes everything away. */
  discard(): void;
}

/**
 * Copies a database that another process is writing, as of its last commit. It shares its blocks where the
 * file system can. Not for the process that writes it: to close a file there drops the lock that DuckDB has
 * on it.
 *
 * Until its next checkpoint DuckDB only appends to the log, and overwrites no block of the file that the
 * header or the log refers to. So the log is copied first, then the file, and both again if the header has
 * changed meanwhile. The end of the log may be torn, as it may be after a crash; DuckDB leaves that out.
 */
export async function copyRecord(path: string): Promise<RecordCopy> {
  discardLeftCopies(path);
  const directory = mkdtempSync(`${path}.read.${process.pid}.`);
  const copy = join(directory, basename(path));
  const discard = (): void => rmSync(directory, { recursive: true, force: true });
  try {
    for (let attempt = 1; ; attempt += 1) {
      const before = headerOf(path);
      const quiet = !existsSync(`${path}.wal.checkpoint`);
      requireRoom(path, directory);
      await copyFiles(path, copy);
      if (quiet && !existsSync(`${path}.wal.checkpoint`) && headerOf(path).equals(before)) break;
      if (attempt === ATTEMPTS) throw restless(path);
      await sleep(PAUSE);
    }
  } catch (error) {
    discard();
    throw error;
  }
  const unlink = (): void => {
    for (const file of [copy, `${copy}.wal`]) rmSync(file, { force: true });
  };
  return { path: copy, unlink, discard };
}

/** Removes the copies of processes that were killed. */
export function discardLeftCopies(path: string): void {
  const prefix = `${basename(path)}.read.`;
  for (const name of readdirSync(dirname(path))) {
    if (!name.startsWith(prefix)) continue;
    const pid = name.slice(prefix.length).split('.')[0]!;
    const directory = join(dirname(path), name);
    // A file that another user made under such a name is not ours to remove.
    if (existsSync(`/proc/${pid}`) || lstatSync(directory).uid !== process.geteuid!()) continue;
    rmSync(directory, { recursive: true, force: true });
  }
}

async function copyFiles(path: string, copy: string): Promise<void> {
  rmSync(`${copy}.wal`, { force: true });
  await copyFile(`${path}.wal`, `${copy}.wal`, constants.COPYFILE_FICLONE).catch(absent);
  await copyFile(path, copy, constants.COPYFILE_FICLONE);
}

/** After a checkpoint there is no log. */
function absent(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

function headerOf(path: string): Buffer {
  const file = openSync(path, 'r');
  try {
    const header = Buffer.alloc(HEADER_BYTES);
    readSync(file, header, 0, HEADER_BYTES, 0);
    return header;
  } finally {
    closeSync(file);
  }
}

/** A copy must not take the space that recording needs: as much again has to be left. */
function requireRoom(path: string, directory: string): void {
  const bytes = [path, `${path}.wal`]
    .map((file) => statSync(file, { throwIfNoEntry: false })?.size ?? 0)
    .reduce((sum, size) => sum + size);
  const { bavail, bsize } = statfsSync(directory);
  if (bavail * bsize >= 2 * bytes) return;
  const [needed, free] = [2 * bytes, bavail * bsize].map((size) => `${Math.ceil(size / 1e6)} MB`);
  throw new BouhekiError(
    'disk-full',
    `${path} is being recorded, and there is no room to read it beside that`,
    {
      remedy: `Free some space: reading takes a copy and leaves as much again, ${needed} in all; ${free} are free.`,
    },
  );
}

function restless(path: string): BouhekiError {
  return new BouhekiError('store-busy', `${path} changed all the time while it was copied for reading`, {
    remedy: 'Try again.',
  });
}
