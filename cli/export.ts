import { Command, Option } from 'commander';
import { closeSync, createWriteStream, openSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BouhekiError } from '../error/error.ts';
import { OutputFile } from '../host/output-file.ts';
import { visibleJson } from '../error/visible.ts';
import { CSV_HEADER, csvToParquet, visibleRow } from '../profiler/read/export.ts';
import { openReader, type Reader } from '../profiler/read/read.ts';
import { cannotWrite } from './option/output-file.ts';
import {
  databaseOption,
  sinceOption,
  untilOption,
  windowOf,
  type RecordOptions,
} from './option/record-option.ts';

interface Options extends RecordOptions {
  format: 'csv' | 'ndjson' | 'parquet';
  output: string;
}

const HELP = `
One row a connection, or one for all equal connections of an hour where the record has no more: count says how many, and
ts is then the time of the first. The columns are those that \`bouheki import\` reads. A socket that was opened and names
no destination is a row with its kind in the column socket, and without addr and port. The order of rows is not defined.

Examples:
  $ bouheki export --format csv --since 24h > flows.csv
  $ bouheki export --format parquet --output flows.parquet

Exit status: 0 written, 2 trouble.`;

/** `bouheki export`: the record for other tools. */
export function exportCommand(): Command {
  return new Command('export')
    .addOption(
      new Option('--format <format>', 'what to write').choices(['csv', 'ndjson', 'parquet']).default('csv'),
    )
    .option('-o, --output <file>', 'write it there; needed for parquet', '-')
    .addOption(databaseOption())
    .addOption(sinceOption())
    .addOption(untilOption())
    .addHelpText('after', HELP)
    .action(run);
}

async function run(options: Options): Promise<void> {
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
const LINE: Readonly<Record<Options['format'], (line: string) => string>> = {
  csv: visibleRow,
  ndjson: visibleJson,
  parquet: (line) => line,
};

async function* pieces(reader: Reader, options: Options): AsyncGenerator<string> {
  const format = options.format === 'ndjson' ? 'ndjson' : 'csv';
  if (format === 'csv') yield `${CSV_HEADER}\n`;
  for await (const lines of reader.lines(format, windowOf(options)))
    yield `${lines.map(LINE[options.format]).join('\n')}\n`;
}

async function toStandardOutput(reader: Reader, options: Options): Promise<void> {
  try {
    await pipeline(Readable.from(pieces(reader, options)), process.stdout);
  } catch (error) {
    // The reader has had enough, such as `| head`.
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
  }
}

/** The file appears whole or not at all; a device or pipe is written to. */
async function toFile(reader: Reader, options: Options): Promise<void> {
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

async function toDevice(reader: Reader, options: Options, fd: number): Promise<void> {
  try {
    if (options.format === 'parquet') throw new Error('Parquet can only be written to a regular file');
    await writeTo(fd, reader, options);
  } finally {
    closeSync(fd);
  }
}

/** DuckDB writes by name, so it gets names where no other user can make links. */
async function toParquet(reader: Reader, options: Options, output: OutputFile): Promise<void> {
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

async function writeTo(fd: number, reader: Reader, options: Options): Promise<void> {
  const stream = createWriteStream('', { fd, autoClose: false });
  await pipeline(Readable.from(pieces(reader, options)), stream);
}
