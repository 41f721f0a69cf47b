import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { BouhekiError } from '../../error/error.ts';
import { openDatabase, requireCurrentSchema, type Access } from '../database/database.ts';
import type { LiveStatus } from '../serve/live-status.ts';
import { busy, recorderOf } from '../database/lock.ts';
import { copyRecord } from './record-copy.ts';
import type { RecordSource } from './record-source.ts';
import { RecorderClient } from '../serve/recorder-client.ts';
import { Snapshot } from './snapshot.ts';

/** How long a recorder that starts, ends or has too many readers may go without answering, milliseconds. */
const PATIENCE = 3000;
const EVERY = 50;

/**
 * The record at `path`, as `recordToRead` gives it. `apart`: a copy of it also where no recorder runs, so that one may
 * start meanwhile. Throws BouhekiError or what the system and DuckDB say.
 */
export async function openSource(path: string, access: Reading, apart: boolean): Promise<RecordSource> {
  const client = await recorderClient(path);
  if (client === undefined) {
    return apart && existsSync(path) ? await openCopy(path, access, {}) : await openFile(path, access);
  }
  try {
    const recorder = await client.status();
    await client.hold();
    return await openCopy(path, access, { recorder });
  } finally {
    client.close();
  }
}

type Reading = Exclude<Access, 'write'>;

async function openCopy(path: string, access: Reading, life: Pick<Life, 'recorder'>): Promise<RecordSource> {
  const copy = await copyRecord(path);
  try {
    return await openFile(copy.path, access, { ...life, opened: copy.unlink, closed: copy.discard });
  } catch (error) {
    copy.discard();
    throw error;
  }
}

/**
 * What the recorder of the record at `path` reports about itself; undefined when none runs. Throws as
 * `openSource`.
 */
export async function recorderStatus(path: string): Promise<LiveStatus | undefined> {
  const client = await recorderClient(path);
  try {
    return await client?.status();
  } finally {
    client?.close();
  }
}

/**
 * A connection to the recorder of the record at `path`, as `recordToRead` gives it; undefined when none runs. Throws as
 * `openSource`.
 */
export async function recorderClient(path: string): Promise<RecorderClient | undefined> {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    const pid = recorderOf(path);
    if (pid === undefined) return undefined;
    try {
      return await RecorderClient.connect(path);
    } catch (error) {
      if (!isPassing(error)) throw error;
      if (performance.now() > deadline)
        throw error instanceof BouhekiError ? error : busy(path, `recorded by process ${pid}`);
    }
    await sleep(EVERY);
  }
}

/** Whether it may be otherwise in a moment. */
function isPassing(error: unknown): boolean {
  const { code } = error as { code?: string };
  return ['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'store-busy'].includes(code ?? '');
}

interface Life {
  recorder?: LiveStatus;
  opened?(): void;
  closed?(): void;
}

async function openFile(
  path: string,
  access: Access,
  { recorder, opened, closed }: Life = {},
): Promise<RecordSource> {
  const database = await openDatabase(path, access);
  try {
    await requireCurrentSchema(database.connection, path);
    const snapshot = new Snapshot(await database.connect());
    await snapshot.begin();
    opened?.();
    return {
      recorder,
      ask: (sql, values) => snapshot.ask(sql, values),
      askRaw: (sql, values) => snapshot.askRaw(sql, values),
      query: (sql) => snapshot.query(sql),
      close: () =>
        snapshot.close(() => {
          database.close();
          closed?.();
        }),
    };
  } catch (error) {
    database.close();
    throw error;
  }
}
