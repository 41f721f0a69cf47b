import { DuckDBInstance, type DuckDBConnection, version } from '@duckdb/node-api';
import { chmodSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { BouhekiError } from '../../error/error.ts';
import { RECORDER_MEMORY } from './allowance.ts';
import { CONNECTIONS } from './connection-column.ts';
import { MIGRATIONS } from './schema-sql.ts';

/** The version of DuckDB, such as `v1.5.6`. */
export function engineVersion(): string {
  return version();
}

/** An open database and the connection of the one who opened it. */
export interface Database {
  connection: DuckDBConnection;
  /** One more connection to the same instance. The caller closes it, before `close`. */
  connect(): Promise<DuckDBConnection>;
  close(): void;
}

/**
 * No network access of our own, no other file, and bounded memory: DuckDB would fetch extensions on demand
 * otherwise, and a user who may query the record could read and write any file that its owner can.
 */
const SETTINGS = {
  autoinstall_known_extensions: 'false',
  autoload_known_extensions: 'false',
  enable_external_access: 'false',
  // More than there are processors only merge each other's groups.
  threads: String(Math.min(2, availableParallelism())),
};

/** `query`: for reading by statements of a user's own, which are kept in one thread and off the disk. */
export type Access = 'write' | 'read' | 'query';

/**
 * In this order: DuckDB refuses another temp_directory without external access, and everything once it is
 * locked.
 */
const ACCESS: Record<Access, Record<string, string>> = {
  write: { ...SETTINGS, memory_limit: RECORDER_MEMORY },
  read: reading({ memory_limit: '1GB' }),
  query: reading({ temp_directory: '', memory_limit: '512MB' }, { threads: '1' }),
};

function reading(
  first: Record<string, string>,
  instead: Record<string, string> = {},
): Record<string, string> {
  return { access_mode: 'READ_ONLY', ...first, ...SETTINGS, ...instead, lock_configuration: 'true' };
}

/**
 * Opens the file for writing (making it, readable by its owner only) or for reading.
 * Errors are DuckDB's own; `storeFailure` puts them into words.
 */
export async function openDatabase(path: string, access: Access): Promise<Database> {
  const instance = await DuckDBInstance.create(path, ACCESS[access]);
  try {
    if (access === 'write') chmodSync(path, 0o600);
    const connection = await instance.connect();
    const close = (): void => {
      connection.closeSync();
      instance.closeSync();
    };
    return { connection, connect: () => instance.connect(), close };
  } catch (error) {
    instance.closeSync();
    throw error;
  }
}

/** Moves the log into the file. While there is a reader, that is left to the close of the database. */
export async function checkpoint(connection: DuckDBConnection): Promise<void> {
  try {
    await connection.run('CHECKPOINT');
  } catch (error) {
    if (!/cannot checkpoint/i.test((error as Error).message)) throw error;
  }
}

/**
 * Brings the schema up to the present version, one version after the other, each as a whole: a table can't be altered
 * by the transaction that has changed its rows. A new database, which has none, in one step.
 */
export async function migrate(connection: DuckDBConnection, path: string): Promise<void> {
  const version = await schemaVersion(connection);
  refuseNewer(version, path);
  if (version === MIGRATIONS.length) return;
  const lists = MIGRATIONS.slice(version);
  const first = ['CREATE TABLE schema_version (version INTEGER NOT NULL)', ...lists.flat()];
  const steps = version === 0 ? [first] : lists;
  const statements: string[] = [];
  for (const [index, step] of steps.entries()) {
    const left = steps.length - index - 1;
    statements.push('BEGIN', ...step, ...(left === 0 ? CONNECTIONS : []), 'DELETE FROM schema_version');
    statements.push(`INSERT INTO schema_version VALUES (${MIGRATIONS.length - left})`, 'COMMIT');
  }
  try {
    // At once: each call goes to another thread and back, which takes as long as most of these statements.
    await connection.run(statements.join(';\n'));
  } catch (error) {
    await connection.run('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** Throws BouhekiError `store` unless the database has exactly the schema that this version reads. */
export async function requireCurrentSchema(connection: DuckDBConnection, path: string): Promise<void> {
  const version = await schemaVersion(connection);
  refuseNewer(version, path);
  if (version === 0) {
    throw new BouhekiError('store', `${path} is a DuckDB database, but not one of bouheki`, {
      remedy: 'Name the right database with --db.',
    });
  }
  if (version < MIGRATIONS.length) {
    throw new BouhekiError('store', `${path} was written by an older version of bouheki`, {
      remedy: 'Run `bouheki learn` once with this version: it brings the database up to date.',
    });
  }
}

async function schemaVersion(connection: DuckDBConnection): Promise<number> {
  const tables = await connection.runAndReadAll(
    `SELECT 1 FROM duckdb_tables() WHERE table_name = 'schema_version'`,
  );
  if (tables.currentRowCount === 0) return 0;
  const rows = (await connection.runAndReadAll('SELECT max(version) FROM schema_version')).getRowsJS();
  return Number(rows[0]?.[0] ?? 0);
}

function refuseNewer(version: number, path: string): void {
  if (version <= MIGRATIONS.length) return;
  throw new BouhekiError('store', `${path} was written by a newer version of bouheki (schema ${version})`, {
    remedy: 'Upgrade bouheki, or name another database with --db.',
  });
}
