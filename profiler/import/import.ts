import { BouhekiError } from '../../error/error.ts';
import { storeFailure } from '../database/failure.ts';
import { openRecorder } from '../store/store.ts';
import { CsvParser, type CsvRow } from '../event/csv.ts';
import { headerProblem, RowReader, type RowProblem } from './row.ts';
import { inputName, textOf } from './text-input.ts';
import { ImportWriter } from './writer.ts';

export interface ImportOptions {
  /** Path of the database. */
  db: string;
  /** Leave rows that can't be understood out, instead of refusing the file. */
  skipBad: boolean;
  /** Told of every row that is left out, as `FILE:LINE:COLUMN: what`. */
  bad?(message: string): void;
}

export interface ImportResult {
  rows: number;
  /** Sum of the rows' counts. */
  events: number;
  /** Rows that were left out. */
  skipped: number;
  /** Ids of the recordings that were made, one a host. */
  recordings: number[];
}

/**
 * Adds a CSV file (`-`: standard input), plain or gzip, to the record: all of it or nothing. Throws
 * BouhekiError `usage` that names the first bad row by line and column, `untrusted` for a file that others
 * can write, and what `openRecorder` throws.
 */
export async function importCsv(file: string, options: ImportOptions): Promise<ImportResult> {
  const name = inputName(file);
  const pieces = textOf(file);
  // An input that can't be read should not make a database first.
  const first = await pieces.next();
  const store = await openRecorder(options.db);
  let imported = false;
  try {
    const writer = await ImportWriter.open(store.connection);
    try {
      const result = await addRows(first, pieces, name, writer, options);
      if (result.rows === 0) throw new BouhekiError('no-data', `${name} has no rows to import`);
      const recordings = await writer.commit();
      imported = true;
      return { ...result, recordings };
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

async function addRows(
  first: IteratorResult<string, void>,
  pieces: AsyncGenerator<string, void>,
  name: string,
  writer: ImportWriter,
  options: ImportOptions,
): Promise<Omit<ImportResult, 'recordings'>> {
  const parser = new CsvParser();
  const result = { rows: 0, events: 0, skipped: 0 };
  let reader: RowReader | undefined;
  const take = (row: CsvRow): void => {
    if (reader === undefined) {
      const header = row.fields.map((field) => field.trim());
      const problem = row.problem === undefined ? headerProblem(header) : { field: 0, message: row.problem };
      if (problem !== undefined) throw badRow(name, row, problem, 'Mend the first row.');
      reader = new RowReader(header);
      return;
    }
    const read = row.problem === undefined ? reader.read(row.fields) : { field: 0, message: row.problem };
    if ('message' in read) {
      const error = badRow(name, row, read);
      if (!options.skipBad) throw error;
      result.skipped += 1;
      options.bad?.(error.message);
      return;
    }
    writer.add(read);
    result.rows += 1;
    result.events += read.count;
  };
  for (let piece = first; piece.done !== true; piece = await pieces.next()) {
    for (const row of parser.push(piece.value)) take(row);
  }
  for (const row of parser.end()) take(row);
  return result;
}

function badRow(
  name: string,
  { line, fields, starts }: CsvRow,
  { field, message }: RowProblem,
  remedy = 'Mend the row, or leave bad rows out with --skip-bad.',
): BouhekiError {
  const before = fields.slice(0, field).reduce((sum, text) => sum + text.length + 1, 0);
  const column = 1 + (starts === undefined ? before : (starts[field] ?? 0));
  return new BouhekiError('usage', `${name}:${line}:${column}: ${message}`, {
    remedy: `${remedy} Nothing was imported.`,
  });
}
