import { BouhekiError } from '../../error/error.ts';
import { storeFailure } from '../database/failure.ts';
import { openRecorder } from '../store/store.ts';
import type { ImportFormat } from './format.ts';
import { type Input, type InputRow, openInput, rowFault } from './input.ts';
import { RowReader } from './row.ts';
import { ImportWriter } from './writer.ts';

export interface ImportOptions {
  /** Path of the database. */
  db: string;
  format: ImportFormat;
  /** Leave rows that can't be understood out, instead of refusing the file. */
  skipBad: boolean;
  /** Add what the record has already: it counts twice then. */
  again: boolean;
  /** Told of every row that is left out, as `FILE:LINE:COLUMN: what`. */
  bad?(message: string): void;
}

export interface ImportResult {
  rows: number;
  /** Sum of the rows' counts. */
  events: number;
  /** Rows that were left out. */
  skipped: number;
  /** Rows that the record had already. */
  known: number;
  /** Columns that are none of ours. */
  unread: string[];
  /** Ids of the recordings that were made, one a host. */
  recordings: number[];
}

/**
 * Adds a file (`-`: standard input; CSV and NDJSON plain or gzip) to the record: all of it or nothing. Throws
 * BouhekiError `usage` that names the first bad row by line and column, or says that the record has all rows
 * already, `untrusted` for a file that others can write, and what `openRecorder` throws.
 */
export async function importFile(file: string, options: ImportOptions): Promise<ImportResult> {
  // An input that can't be read should not make a database first.
  const input = await openInput(file, options.format);
  try {
    return await importInput(input, options);
  } finally {
    input.close();
  }
}

async function importInput(input: Input, options: ImportOptions): Promise<ImportResult> {
  const store = await openRecorder(options.db);
  let imported = false;
  try {
    const writer = await ImportWriter.open(store.connection);
    try {
      const result = await addRows(input, writer, options);
      if (result.rows === 0) throw new BouhekiError('no-data', `${input.name} has no rows to import`);
      const known = await writer.flush();
      if (known === result.rows && !options.again) throw knownAlready(input.name);
      const recordings = await writer.commit();
      imported = true;
      return { ...result, known, unread: [...input.unread], recordings };
    } catch (error) {
      await writer.abandon().catch(() => undefined);
      throw error;
    }
  } catch (error) {
    throw storeFailure(error, options.db);
  } finally {
    await store.stopServing();
    // A file that was refused leaves no database behind.
    if (imported) store.close();
    else store.discard();
  }
}

function knownAlready(name: string): BouhekiError {
  return new BouhekiError('usage', `the record has every row of ${name} already`, {
    remedy: 'Nothing was imported. With --again all of it counts once more.',
  });
}

async function addRows(
  { cell, header, name, parts }: Input,
  writer: ImportWriter,
  options: ImportOptions,
): Promise<Pick<ImportResult, 'rows' | 'events' | 'skipped'>> {
  const result = { rows: 0, events: 0, skipped: 0 };
  const reader = new RowReader(header, cell);
  const take = (row: InputRow): void => {
    const read = row.problem === undefined ? reader.read(row.fields) : { field: 0, message: row.problem };
    if ('message' in read) {
      const error = rowFault(name, row, read);
      if (!options.skipBad) throw error;
      result.skipped += 1;
      options.bad?.(error.message);
      return;
    }
    writer.add(read);
    result.rows += 1;
    result.events += read.count;
  };
  for await (const rows of parts) for (const row of rows) take(row);
  return result;
}
