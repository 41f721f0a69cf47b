import { Command, Option } from 'commander';
import { IMPORT_FORMATS } from '../profiler/import/format.ts';
import { EXPORTED } from '../profiler/database/connection-column.ts';
import { databaseOption } from './option/record-option.ts';
import type { ImportOptions } from './run/import.ts';

const HELP = `
The first row of CSV, the keys of NDJSON and the columns of Parquet are these, in any order; others are not read:
  ${EXPORTED.map(({ name }) => name).join(',')}
ts, comm, uid, gid, addr, port and protocol are required. Without effective ids (euid, egid) the real ones are used,
without ids for files (fsuid, fsgid) the effective ones. Names of users and groups are the host's, and empty in
containers. Where in_container is true and container is empty, the container has no name, and gets no rule. ts is a
time such as 2026-11-21T09:30:00.5Z (UTC when it has no zone) or seconds since the epoch. count is the number of equal
connections that a row stands for. Where operation is open, socket has the kind of socket that was opened, and addr
and port are empty. Each host becomes a recording of its own. A bad row stops the import, and nothing of the file is
imported; nor is a file of which the record has every row already, whatever its format or order, unless --again is
given. No recorder may run on the database. A file that users other than root and you can write is refused; standard
input is your choice.

Examples:
  $ bouheki import flows.csv --format csv
  $ bouheki import flows.parquet --format parquet
  $ zcat old/*.csv.gz | bouheki import - --format csv --skip-bad

Exit status: 0 imported, 2 trouble.`;

/** `bouheki import FILE`: evidence from elsewhere. */
export function importCommand(): Command {
  return new Command('import')
    .argument('<file>', 'the file, CSV and NDJSON plain or gzip; - for standard input')
    .addOption(
      new Option('--format <format>', 'what the file is').choices(IMPORT_FORMATS).makeOptionMandatory(),
    )
    .option('--skip-bad', 'leave out and count rows that cannot be read', false)
    .option('--again', 'import what the record has already: it counts twice then', false)
    .addOption(databaseOption())
    .addHelpText('after', HELP)
    .action(async (file: string, options: ImportOptions) => {
      const { importFlows } = await import('./run/import.ts');
      await importFlows(file, options);
    });
}
