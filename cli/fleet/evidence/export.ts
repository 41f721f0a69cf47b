import { Command, Option } from 'commander';
import { operatorOption } from '../operator/option.ts';
import { weekOption } from './option.ts';
import type { FleetExportOptions } from './run/export.ts';

const HELP = `
One row for each host, subject, destination and verdict of a week, quarantined hosts among them: ts is when that was first
seen there, count how often. Their order is not defined. The columns are those of \`bouheki export\`, and \`bouheki import\`
reads them. A user or group of which hosts told the name alone has the number 4294967295.

Examples:
  $ bouheki fleet export --format parquet --output week.parquet
  $ bouheki fleet export --week 2026-W48 --workload web > web.csv

Exit status: 0 written, 2 trouble.`;

/** `bouheki fleet export`: what hosts showed in a week, for other tools. */
export function fleetExportCommand(): Command {
  return new Command('export')
    .description('Write what each host showed in a week, for other tools')
    .addOption(
      new Option('--format <format>', 'what to write').choices(['csv', 'ndjson', 'parquet']).default('csv'),
    )
    .option('-o, --output <file>', 'write it there; needed for parquet', '-')
    .addOption(weekOption())
    .option('--workload <name>', 'only its hosts')
    .addOption(operatorOption())
    .addHelpText('after', HELP)
    .action(async (options: FleetExportOptions) => {
      const { exportFleet } = await import('./run/export.ts');
      await exportFleet(options);
    });
}
