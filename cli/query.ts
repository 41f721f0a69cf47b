import { Command } from 'commander';
import { databaseOption, wideOption } from './option/record-option.ts';

const HELP = `
Examples:
  $ bouheki query "SELECT exe, uid, container, address, port FROM connections"
  $ bouheki query "DESCRIBE connections"
  $ bouheki query "SELECT name, names, address, port FROM connections WHERE name LIKE '%.example.com'"
  $ bouheki query --json "SELECT address, sum(count) AS n FROM connections GROUP BY ALL ORDER BY n DESC LIMIT 10"

The view \`connections\` has one row a connection. One statement that reads is answered: SELECT, WITH, VALUES, DESCRIBE,
SUMMARIZE, SHOW, and EXPLAIN without ANALYZE, without functions that reach files, settings, logs or other statements.
A process of its own answers within 2 minutes and 2 GB of memory, DuckDB in one thread and 512 MB. While a recorder runs
it reads a copy of the record as of the last second, made beside the record: for that there must be room, twice its size.
Exit status: 0 answered, 2 trouble.`;

/** `bouheki query SQL`: ask the record. */
export function queryCommand(): Command {
  return new Command('query')
    .argument('<sql>', 'one statement in the dialect of DuckDB')
    .addOption(databaseOption())
    .option('--json', 'print one JSON object a row', false)
    .addOption(wideOption())
    .addHelpText('after', HELP)
    .action(async (sql: string, { db, json, wide }: { db: string; json: boolean; wide: boolean }) => {
      const { queryWithinLimits } = await import('./query/query-limits.ts');
      await queryWithinLimits(db, json ? 'json' : wide ? 'wide table' : 'table', sql);
    });
}
