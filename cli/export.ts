import { Command, Option } from 'commander';
import { databaseOption, sinceOption, untilOption } from './option/record-option.ts';
import type { ExportOptions } from './run/export.ts';

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
    .action(async (options: ExportOptions) => {
      const { exportRecord } = await import('./run/export.ts');
      await exportRecord(options);
    });
}
