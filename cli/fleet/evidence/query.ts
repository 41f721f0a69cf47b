import { Command } from 'commander';
import { wideOption } from '../../option/record-option.ts';
import { operatorOption } from '../operator/option.ts';
import { weekOption } from './option.ts';
import type { FleetQueryOptions } from './run/query.ts';

const HELP = `
Examples:
  $ bouheki fleet query "SELECT host, exe, address, port, count FROM connections WHERE verdict = 'deny'"
  $ bouheki fleet query --workload web "SELECT address, count(DISTINCT host) AS hosts FROM connections GROUP BY ALL"

Takes what hosts showed in a week, as \`bouheki fleet export\` writes it, and asks it on this machine as \`bouheki query\` asks
a record: no hub runs the statement. The view \`connections\` has a row for each host, subject, destination and verdict. To
ask more than once, write the week to a file, and import it.
Exit status: 0 answered, 2 trouble.`;

/** `bouheki fleet query SQL`: ask what hosts showed in a week. */
export function fleetQueryCommand(): Command {
  return new Command('query')
    .description('Ask what hosts showed in a week, in SQL')
    .argument('<sql>', 'one statement in the dialect of DuckDB')
    .addOption(weekOption())
    .option('--workload <name>', 'only its hosts')
    .option('--json', 'print one JSON object a row', false)
    .addOption(wideOption())
    .addOption(operatorOption())
    .addHelpText('after', HELP)
    .action(async (sql: string, options: FleetQueryOptions) => {
      const { queryFleet } = await import('./run/query.ts');
      await queryFleet(sql, options);
    });
}
