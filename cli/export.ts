import { Command, Option } from 'commander';
import { createWriteStream, renameSync, rmSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BouhekiError } from '../error/error.ts';
import { CSV_HEADER, csvToParquet } from '../profiler/export.ts';
import { openReader, type Reader } from '../profiler/read.ts';
import { databaseOption, sinceOption, untilOption, windowOf, type RecordOptions } from './record-option.ts';

interface Options extends RecordOptions {
  format: 'csv' | 'ndjson' | 'parquet';
  output: string;
}

const HELP = `
One row a connection, or one for all equal connections of an hour where the record has no more: count says how many, and
ts is then the time of the first. The columns are those that \`bouheki import\` reads. Sockets that were opened and have
no destination are left out. Rows come in no particular order.

Examples:
  $ bouheki export --format csv --since 24h > flows.csv
  $ bouheki export --format parquet --output flows.parquet

Exit status: 0 written, 2 trouble.`;

/** `bouheki export`: the record for other tools. */
export function exportCommand(): Command {
  return new Command('export')
    .description('Write the record as CSV, NDJSON or Parquet')
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

async function* pieces(reader: Reader, options: Options): AsyncGenerator<string> {
  const format = options.format === 'ndjson' ? 'ndjson' : 'csv';
  if (format === 'csv') yield `${CSV_HEADER}\n`;
  for await (const lines of reader.lines(format, windowOf(options))) yield `${lines.join('\n')}\n`;
}

async function toStandardOutput(reader: Reader, options: Options): Promise<void> {
  try {
    await pipeline(Readable.from(pieces(reader, options)), process.stdout);
  } catch (error) {
    // Whoever reads has had enough: `| head`, say.
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
  }
}

/** The file appears whole or not at all. */
async function toFile(reader: Reader, options: Options): Promise<void> {
  const text = `${options.output}.${process.pid}.tmp`;
  const packed = `${text}.parquet`;
  try {
    await pipeline(Readable.from(pieces(reader, options)), createWriteStream(text, { mode: 0o600 }));
    if (options.format === 'parquet') await csvToParquet(text, packed);
    renameSync(options.format === 'parquet' ? packed : text, options.output);
  } catch (error) {
    if (error instanceof BouhekiError) throw error;
    throw new BouhekiError('usage', `cannot write ${options.output}`, {
      remedy: 'Name a file in a directory that you may write to, with room for it, with --output.',
      detail: (error as Error).message,
      cause: error,
    });
  } finally {
    rmSync(text, { force: true });
    rmSync(packed, { force: true });
  }
}
