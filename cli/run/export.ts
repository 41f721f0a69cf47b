import { closeSync, createWriteStream, openSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BouhekiError } from '../../error/error.ts';
import { OutputFile } from '../../host/output-file.ts';
import { visibleJson } from '../../error/visible.ts';
import { CSV_HEADER, csvToParquet, visibleRow } from '../../profiler/read/export.ts';
import { openReader } from '../../profiler/read/read.ts';
import { cannotWrite } from '../option/output-file.ts';
import { windowOf, type RecordOptions } from '../option/record-option.ts';

/** What `export` was asked for, as commander hands it over. */
export interface ExportOptions extends RecordOptions {
  format: 'csv' | 'ndjson' | 'parquet';
  output: string;
}

/** Where rows are written, and as what. */
export type ExportTarget = Pick<ExportOptions, 'format' | 'output'>;

/** Rows in parts, each as a line of CSV without its header, or of NDJSON. */
export type RowLines = (format: 'csv' | 'ndjson') => AsyncIterable<readonly string[]>;

/** Writes the record for other tools. */
export async function exportRecord(options: ExportOptions): Promise<void> {
  requireTarget(options);
  const reader = await openReader(options.db);
  try {
    await writeExport((format) => reader.lines(format, windowOf(options)), options);
  } finally {
    reader.close();
  }
}

/** Throws BouhekiError `usage` for what cannot be written there, before anything is asked for rows. */
export function requireTarget({ format, output }: ExportTarget): void {
  if (format !== 'parquet' || output !== '-') return;
  throw new BouhekiError('usage', 'a Parquet file cannot be written to standard output', {
    remedy: 'Name a file with --output.',
  });
}

/** Writes rows to a file, which appears whole or not at all, or to standard output. */
export async function writeExport(rows: RowLines, target: ExportTarget): Promise<void> {
  if (target.output === '-') await toStandardOutput(rows, target);
  else await toFile(rows, target);
}

/** What is done to a line: a Parquet file, which is made of the CSV, holds what was recorded as it is. */
const LINE: Readonly<Record<ExportTarget['format'], (line: string) => string>> = {
  csv: visibleRow,
  ndjson: visibleJson,
  parquet: (line) => line,
};

async function* pieces(rows: RowLines, options: ExportTarget): AsyncGenerator<string> {
  const format = options.format === 'ndjson' ? 'ndjson' : 'csv';
  if (format === 'csv') yield `${CSV_HEADER}\n`;
  for await (const lines of rows(format)) yield `${lines.map(LINE[options.format]).join('\n')}\n`;
}

async function toStandardOutput(rows: RowLines, options: ExportTarget): Promise<void> {
  try {
    await pipeline(Readable.from(pieces(rows, options)), process.stdout);
  } catch (error) {
    // The reader has had enough, such as `| head`.
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
  }
}

/** The file appears whole or not at all; a device or pipe is written to. */
async function toFile(rows: RowLines, options: ExportTarget): Promise<void> {
  try {
    using output = OutputFile.at(options.output);
    const device = output.openDevice();
    if (device !== undefined) await toDevice(rows, options, device);
    else if (options.format === 'parquet') await toParquet(rows, options, output);
    else {
      const { fd, put } = output.begin(0o600);
      try {
        await writeTo(fd, rows, options);
        put();
      } finally {
        closeSync(fd);
      }
    }
  } catch (error) {
    throw cannotWrite(options.output, error);
  }
}

async function toDevice(rows: RowLines, options: ExportTarget, fd: number): Promise<void> {
  try {
    if (options.format === 'parquet') throw new Error('Parquet can only be written to a regular file');
    await writeTo(fd, rows, options);
  } finally {
    closeSync(fd);
  }
}

/** DuckDB writes by name, so it gets names where no other user can make links. */
async function toParquet(rows: RowLines, options: ExportTarget, output: OutputFile): Promise<void> {
  using workshop = output.workshop();
  const csv = workshop.at('rows.csv');
  const fd = openSync(csv, 'wx', 0o600);
  try {
    await writeTo(fd, rows, options);
  } finally {
    closeSync(fd);
  }
  const parquet = workshop.at('rows.parquet');
  await csvToParquet({ csv, parquet, spill: workshop.at('spilled') }, options.output);
  workshop.put('rows.parquet');
}

async function writeTo(fd: number, rows: RowLines, options: ExportTarget): Promise<void> {
  const stream = createWriteStream('', { fd, autoClose: false });
  await pipeline(Readable.from(pieces(rows, options)), stream);
}
