import { Command } from 'commander';
import { openReader, type QueryResult } from '../profiler/read.ts';
import { databaseOption } from './record-option.ts';
import { formatTable } from './table.ts';

const HELP = `
Examples:
  $ bouheki query "SELECT exe, uid, container, address, port FROM connections"
  $ bouheki query "DESCRIBE connections"
  $ bouheki query --json "SELECT address, count(*) AS n FROM connections GROUP BY ALL ORDER BY n DESC LIMIT 10"

The view \`connections\` has one row a connection. The record can't be changed from here.
Exit status: 0 answered, 2 trouble.`;

/** `bouheki query SQL`: ask the record. */
export function queryCommand(): Command {
  return new Command('query')
    .description('Ask the record with SQL')
    .argument('<sql>', 'one statement in the dialect of DuckDB')
    .addOption(databaseOption())
    .option('--json', 'print one JSON object a row', false)
    .addHelpText('after', HELP)
    .action(query);
}

async function query(sql: string, options: { db: string; json: boolean }): Promise<void> {
  const reader = await openReader(options.db);
  try {
    process.stdout.write((options.json ? asJson : asTable)(await reader.query(sql)));
  } finally {
    reader.close();
  }
}

function asTable({ columns, rows }: QueryResult): string {
  return formatTable(
    columns,
    rows.map((row) => row.map(cell)),
  )
    .map((line) => `${line}\n`)
    .join('');
}

function cell(value: unknown): string {
  if (value === null) return '-';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function asJson({ columns, rows }: QueryResult): string {
  return rows
    .map((row) => `${JSON.stringify(Object.fromEntries(columns.map((name, index) => [name, row[index]])))}\n`)
    .join('');
}
