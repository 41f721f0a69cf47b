import { closeSync, createWriteStream, openSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BouhekiError } from '../../error/error.ts';
import { OutputFile } from '../../host/output-file.ts';
import { visibleJson } from '../../error/visible.ts';
import { CSV_HEADER, csvToParquet, visibleRow } from '../../profiler/read/export.ts';
import { openReader, type Reader } from '../../profiler/read/read.ts';
import { cannotWrite } from '../option/output-file.ts';
import { windowOf, type RecordOptions } from '../option/record-option.ts';

/** What `export` was asked for, as commander hands it over. */
export interface ExportOptions extends RecordOptions {
  format: 'csv' | 'ndjson' | 'parquet';
  output: string;
}

/** Writes the record for other tools. */
export async function exportRecord(options: ExportOptions): Promise<void> {
  if (options.format === 'parquet' && options.output === '-') {
    throw new BouhekiError('usage', 'a Parquet file cannot be written to standard output', {
      remedy: 'Name a file with --output.',
    });
  }
  const reader = await openReader(options.db);
  try {
    if (options.output === '-') await toStandardOutput(reader, options);
    else await toFile(reader, options);
  } finally {
    reader.close();
  }
}

/** What is done to a line: a Parquet file, which is made of the CSV, holds what was recorded as it is. */
const LINE: Readonly<Record<ExportOptions['format'], (line: string) => string>> = {
  csv: visibleRow,
  ndjson: visibleJson,
  parquet: (line) => line,
};

async function* pieces(reader: Reader, options: ExportOptions): AsyncGenerator<string> {
  const format = options.format === 'ndjson' ? 'ndjson' : 'csv';
  if (format === 'csv') yield `${CSV_HEADER}\n`;
  for await (const lines of reader.lines(format, windowOf(options)))
    yield `${lines.map(LINE[options.format]).join('\n')}\n`;
}

async function toStandardOutput(reader: Reader, options: ExportOptions): Promise<void> {
  try {
    await pipeline(Readable.from(pieces(reader, options)), process.stdout);
  } catch (error) {
    // The reader has had enough, such as `| head`.
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
  }
}

/** The file appears whole or not at all; a device or pipe is written to. */
async function toFile(reader: Reader, options: ExportOptions): Promise<void> {
  try {
    using output = OutputFile.at(options.output);
    const device = output.openDevice();
    if (device !== undefined) await toDevice(reader, options, device);
    else if (options.format === 'parquet') await toParquet(reader, options, output);
    else {
      const { fd, put } = output.begin(0o600);
      try {
        await writeTo(fd, reader, options);
        put();
      } finally {
        closeSync(fd);
      }
    }
  } catch (error) {
    throw cannotWrite(options.output, error);
  }
}

async function toDevice(reader: Reader, options: ExportOptions, fd: number): Promise<void> {
  try {
    if (options.format === 'parquet') throw new Error('Parquet can only be written to a regular file');
    await writeTo(fd, reader, options);
  } finally {
    closeSync(fd);
  }
}

/** DuckDB writes by name, so it gets names where no other user can make links. */
async function toParquet(reader: Reader, options: ExportOptions, output: OutputFile): Promise<void> {
  using workshop = output.workshop();
  const rows = workshop.at('rows.csv');
  const fd = openSync(rows, 'wx', 0o600);
  try {
    await writeTo(fd, reader, options);
  } finally {
    closeSync(fd);
  }
  const parquet = workshop.at('rows.parquet');
  await csvToParquet({ csv: rows, parquet, spill: workshop.at('spilled') }, options.output);
  workshop.put('rows.parquet');
}

async function writeTo(fd: number, reader: Reader, options: ExportOptions): Promise<void> {
  const stream = createWriteStream('', { fd, autoClose: false });
  await pipeline(Readable.from(pieces(reader, options)), stream);
}
