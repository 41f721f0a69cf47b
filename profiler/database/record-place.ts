import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { BouhekiError } from '../../error/error.ts';
import { TrustedDirectory } from '../../host/trusted-directory.ts';

/** The directory of records, which is made when it is needed: a mistyped path must make none. */
const USUAL_DIRECTORY = '/var/lib/bouheki';

/** The record of a host where no other is named. */
export const USUAL_RECORD = `${USUAL_DIRECTORY}/bouheki.duckdb`;

/**
 * Refuses a path that a person gave for a record to write where its directory is missing. Throws BouhekiError
 * `store`.
 */
export function requireDirectory(path: string): void {
  const parent = dirname(path);
  if (parent === USUAL_DIRECTORY || existsSync(parent)) return;
  throw new BouhekiError('store', `there is no directory ${parent} for the database`, {
    remedy: `Name a database in a directory that is there with --db, or make it: mkdir -m 700 ${parent}.`,
  });
}

/** Endings of the files that DuckDB takes rows from when it opens a database. */
const READ_BY_DUCKDB = ['', '.wal', '.wal.checkpoint', '.wal.recovery'];

/**
 * Where a record lies: a directory that root and ourselves alone can change, held open, and the names of the
 * record in it. DuckDB opens its files by name; no other user can change what these names mean.
 */
export class RecordPlace {
  readonly directory: TrustedDirectory;
  /** The database's name in it. */
  readonly name: string;
  /** The database's path, without links. */
  readonly path: string;

  private constructor(directory: TrustedDirectory, name: string) {
    this.directory = directory;
    this.name = name;
    this.path = `${directory.path === '/' ? '' : directory.path}/${name}`;
  }

  /**
   * With `make`, its directory is made (0700) where there is none. Throws BouhekiError `untrusted` when
   * others could have put the database, or one of its logs, there or can write them, `store` when they are no
   * files, or what the system says.
   */
  static open(path: string, make: 'make' | 'find'): RecordPlace {
    const { directory, name } = TrustedDirectory.around(path, make);
    try {
      const place = new RecordPlace(directory, name);
      for (const ending of READ_BY_DUCKDB) place.#refuseOther(ending);
      return place;
    } catch (error) {
      directory[Symbol.dispose]();
      throw error;
    }
  }

  /** Whether there is a database. */
  get exists(): boolean {
    return this.directory.look(this.name) !== undefined;
  }

  /** A path to the database's name with this ending, good as long as this is open. */
  at(ending: string): string {
    return this.directory.at(this.name + ending);
  }

  /** The text of the small file with this ending; undefined where there is none. Throws as `open`. */
  readText(ending: string): string | undefined {
    this.#refuseOther(ending);
    return this.directory.readText(this.name + ending);
  }

  [Symbol.dispose](): void {
    this.directory[Symbol.dispose]();
  }

  #refuseOther(ending: string): void {
    try {
      this.directory.check(this.name + ending, 'file');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
      throw new BouhekiError('store', `${this.path}${ending} is not a regular file`, {
        remedy: 'Remove it, or name another database with --db.',
      });
    }
  }
}

/**
 * The path, without links, of a record that is to be read. Throws BouhekiError `no-data` when there is none,
 * and as `RecordPlace.open`.
 */
export function recordToRead(path: string): string {
  try {
    using place = RecordPlace.open(path, 'find');
    if (place.exists) return place.path;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  throw new BouhekiError('no-data', `there is no database at ${path}`, {
    remedy: 'Record first with `bouheki learn`, or name the right file with --db.',
  });
}
