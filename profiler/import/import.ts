import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { BouhekiError } from '../../error/error.ts';
import { storeFailure } from '../database/failure.ts';
import { formatCount } from '../../format/number.ts';
import { openRecorder } from '../store/store.ts';
import type { Prefix } from '../../policy/value/cidr.ts';
import { detectFormat, headOf } from './detect.ts';
import type { ImportFormat } from './format.ts';
import { type Input, type InputRow, openInput, rowFault } from './input.ts';
import { Answers } from './log/answers.ts';
import { Localities } from './log/localities.ts';
import type { LogContext } from './log/log-reader.ts';
import { isZeekAnswers } from './log/zeek.ts';
import { RowReader } from './row.ts';
import { inputName } from './text-input.ts';
import { ImportWriter } from './writer.ts';

export interface ImportOptions {
  /** Path of the database. */
  db: string;
  /** Absent: what the files begin with says it. */
  format?: ImportFormat;
  /** Networks of the hosts whose connections are wanted, for logs that have those of others too. */
  local?: readonly Prefix[];
  /** When a snapshot was taken, and on which host; that of a file was when it was last changed. */
  at?: string;
  host?: string;
  /** Leave rows that can't be understood out, instead of refusing the file. */
  skipBad: boolean;
  /** Add what the record has already: it counts twice then. */
  again: boolean;
  /** Told of every row that is left out, as `FILE:LINE:COLUMN: what`. */
  bad?(message: string): void;
}

export interface ImportResult {
  format: ImportFormat;
  rows: number;
  /** Sum of the rows' counts. */
  events: number;
  /** Rows that were left out. */
  skipped: number;
  /** Rows that the record had already. */
  known: number;
  /** Columns that are none of ours. */
  unread: string[];
  /** Lines that are no connections made from here, by what they are. */
  passed: ReadonlyMap<string, number>;
  /** Ids of the recordings that were made, one a host. */
  recordings: number[];
}

/**
 * Adds files of one format (`-`: standard input; all but Parquet plain or gzip) to the record: all of them or nothing.
 * Throws BouhekiError `usage` that names the first bad row by line and column, or says that the record has all rows
 * already, `untrusted` for a file that others can write, and what `openRecorder` throws.
 */
export async function importFiles(files: readonly string[], options: ImportOptions): Promise<ImportResult> {
  refuseTwice(files);
  const format = options.format ?? commonFormat(files);
  const context: LogContext = {
    local: new Localities(options.local ?? []),
    answers: new Answers(),
    begun: new Set(),
    ...(options.host !== undefined && { host: options.host }),
  };
  const ordered = inOrder(files, format);
  const open = (file: string): Promise<Input> => {
    const at = options.at ?? changedAt(file);
    return openInput(file, format, { ...context, ...(at !== undefined && { at }) });
  };
  // An input that can't be read should not make a database first.
  const first = await open(ordered[0]!);
  const inputs = async function* (): AsyncGenerator<Input> {
    yield first;
    for (const file of ordered.slice(1)) {
      const input = await open(file);
      try {
        yield input;
      } finally {
        input.close();
      }
    }
  };
  try {
    return { format, ...(await importInputs(inputs(), namesOf(files), options)) };
  } finally {
    first.close();
  }
}

/** Names are known before the connections that they are for. */
function inOrder(files: readonly string[], format: ImportFormat): string[] {
  if (format !== 'zeek' || files.length === 1) return [...files];
  const answers = new Set(files.filter((file) => file !== '-' && isZeekAnswers(headOf(file))));
  return [...answers, ...files.filter((file) => !answers.has(file))];
}

function commonFormat(files: readonly string[]): ImportFormat {
  const formats = files.map(detectFormat);
  const other = formats.findIndex((format) => format !== formats[0]);
  if (other < 0) return formats[0]!;
  const message = `${files[0]} is ${formats[0]}, and ${files[other]} is ${formats[other]}`;
  throw new BouhekiError('usage', message, { remedy: 'Import them one after the other.' });
}

function refuseTwice(files: readonly string[]): void {
  const paths = files.map((file) => (file === '-' ? file : resolve(file)));
  const again = paths.findIndex((path, at) => paths.indexOf(path) < at);
  if (again >= 0) throw new BouhekiError('usage', `${files[again]} is named twice`);
}

/** When a file was last changed; undefined for standard input, and where opening it will say why. */
function changedAt(file: string): string | undefined {
  if (file === '-') return undefined;
  return statSync(file, { throwIfNoEntry: false })?.mtime.toISOString();
}

function namesOf([file, ...others]: readonly string[]): string {
  const name = inputName(file!);
  return others.length === 0 ? name : `${name} and ${formatCount(others.length, 'other file')}`;
}

async function importInputs(
  inputs: AsyncIterable<Input>,
  names: string,
  options: ImportOptions,
): Promise<Omit<ImportResult, 'format'>> {
  const store = await openRecorder(options.db);
  let imported = false;
  try {
    const writer = await ImportWriter.open(store.connection);
    try {
      const result = { rows: 0, events: 0, skipped: 0 };
      const unread = new Set<string>();
      const passed = new Map<string, number>();
      for await (const input of inputs) {
        await addRows(input, writer, options, result);
        for (const column of input.unread) unread.add(column);
        for (const [what, count] of input.passed) passed.set(what, (passed.get(what) ?? 0) + count);
      }
      if (result.rows === 0) throw nothingIn(names, passed);
      const known = await writer.flush();
      if (known === result.rows && !options.again) throw knownAlready(names);
      const recordings = await writer.commit();
      imported = true;
      return { ...result, known, unread: [...unread], passed, recordings };
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

function nothingIn(names: string, passed: ReadonlyMap<string, number>): BouhekiError {
  const what = [...passed].map(([kind, count]) => `${count} ${kind}`).join(', ');
  return new BouhekiError('no-data', `${names} has no rows to import`, {
    ...(what !== '' && { detail: `It has ${what}.` }),
  });
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
  result: Pick<ImportResult, 'rows' | 'events' | 'skipped'>,
): Promise<void> {
  const reader = new RowReader(header, cell);
  const take = (row: InputRow): void => {
    const read = row.problem === undefined ? reader.read(row.fields) : { field: 0, message: row.problem };
    if ('message' in read) {
      const error = rowFault(name, row, read, row.remedy);
      if (!options.skipBad || row.remedy !== undefined) throw error;
      result.skipped += 1;
      options.bad?.(error.message);
      return;
    }
    writer.add(read);
    result.rows += 1;
    result.events += read.count;
  };
  for await (const rows of parts) for (const row of rows) take(row);
}
