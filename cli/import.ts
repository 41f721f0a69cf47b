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
imported; nor is what the record has every row of already, whatever its format or order, unless --again is given. No
recorder may run on the database. A file that users other than root and you can write is refused; standard input is your
choice.

Logs of other tools, of which all lines that are no connections made from the hosts are counted and passed over:
  zeek       conn.log and dns.log, text or JSON
  vpc-flow   Amazon VPC flow logs, version 2 or with a first line of field names
  eve        Suricata's EVE: flow, netflow and dns
  tetragon   the JSON export, with a tracing policy for tcp_connect or the like
  conntrack  what \`conntrack -E -o timestamp\` writes
  ss         snapshots of \`ss -tunap\`, also with -e
Connections of zeek and eve have the names that a host had asked for before. All but tetragon and ss know no process: no
rule is written for their rows but by \`bouheki generate --by host\`, and that rule holds for every process.

Examples:
  $ bouheki import flows.csv --format csv
  $ bouheki import flows.parquet --format parquet
  $ bouheki import conn.*.log.gz dns.*.log.gz --local 10.0.0.0/8
  $ zcat old/*.csv.gz | bouheki import - --format csv --skip-bad

Exit status: 0 imported, 2 trouble.`;

/** `bouheki import FILE`: evidence from elsewhere. */
export function importCommand(): Command {
  return new Command('import')
    .argument('<file...>', 'files of one format, all but Parquet plain or gzip; - for standard input')
    .addOption(
      new Option('--format <format>', 'what the files are; without it, what they begin with says so').choices(
        IMPORT_FORMATS,
      ),
    )
    .addOption(
      new Option(
        '--local <cidr>',
        'where the hosts to learn from are, for logs that have other hosts too; repeatable',
      )
        .argParser((value: string, all: string[]) => [...all, value])
        .default([], 'none'),
    )
    .option('--at <time>', 'when a snapshot was taken; without it, when its file was last changed')
    .option('--host <name>', 'on which host a snapshot was taken')
    .option('--skip-bad', 'leave out and count rows that cannot be read', false)
    .option('--again', 'import what the record has already: it counts twice then', false)
    .addOption(databaseOption())
    .addHelpText('after', HELP)
    .action(async (files: string[], options: ImportOptions) => {
      const { importFlows } = await import('./run/import.ts');
      await importFlows(files, options);
    });
}
