import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { BouhekiError } from '../error/error.ts';
import { openDatabase, requireCurrentSchema, type Database } from './database.ts';
import { busy, recorderOf } from './lock.ts';
import type { RecordSource } from './record-source.ts';
import { RemoteSource } from './remote-source.ts';
import { Snapshot } from './snapshot.ts';

/** How long a recorder that starts or ends may go without answering, milliseconds. */
const PATIENCE = 3000;
const EVERY = 50;

/** The record at `path`. Throws BouhekiError or what the system and DuckDB say. */
export async function openSource(path: string): Promise<RecordSource> {
  if (!existsSync(path)) {
    throw new BouhekiError('no-data', `there is no database at ${path}`, {
      remedy: 'Record first with `bouheki learn`, or name the right file with --db.',
    });
  }
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const pid = recorderOf(path);
    if (pid === undefined) return await openFile(path);
    try {
      return await RemoteSource.connect(path);
    } catch (error) {
      if (!isAbsent(error)) throw error;
      if (Date.now() > deadline) throw busy(path, `recorded by process ${pid}`);
    }
    await sleep(EVERY);
  }
}

function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ECONNREFUSED', 'ECONNRESET'].includes((error as NodeJS.ErrnoException).code ?? '');
}

async function openFile(path: string): Promise<RecordSource> {
  const database: Database = await openDatabase(path, 'read');
  try {
    await requireCurrentSchema(database.connection, path);
    const snapshot = new Snapshot(await database.connect());
    await snapshot.begin();
    return {
      ask: (sql, values, form) => snapshot.ask(sql, values, form),
      close: () => {
        snapshot.close();
        database.close();
      },
    };
  } catch (error) {
    database.close();
    throw error;
  }
}
