import { Command, Option } from 'commander';
import {
  failOnOption,
  formatOption,
  groupByOption,
  ignoreOption,
  limitOption,
  unusedAfterOption,
} from '../../drift/option.ts';
import { readMoment, wideOption } from '../../option/record-option.ts';
import { operatorOption } from '../operator/option.ts';
import type { FleetDriftOptions } from './run/drift.ts';

const HELP = `
Examples:
  $ bouheki fleet drift
  $ bouheki fleet drift --workload web --since 14d
  $ bouheki fleet drift web.yaml --workload web --format markdown

Compares what the hosts of a workload showed with the policy that is in force there, or with a file. Beside each finding
stands how many of the hosts that count showed it, and which. Outlier hosts are those with far more that no other host
showed than is usual.
Exit status: 0 no finding of the kinds of --fail-on, 1 such a finding, 2 trouble.`;

/** `bouheki fleet drift [POLICY]`: the report of \`drift\` on what a workload's hosts showed. */
export function fleetDriftCommand(): Command {
  return new Command('drift')
    .description('Compare what the hosts of a workload showed with its policy')
    .argument('[policy]', 'a policy file instead of the one in force, - for standard input')
    .option('--workload <name>', 'which; absent: the only one')
    .addOption(
      new Option('--since <time>', 'only what happened at or after this time')
        .argParser(readMoment)
        .default(readMoment('31d'), '31d'),
    )
    .addOption(formatOption())
    .option('--json', 'the same as --format json', false)
    .addOption(groupByOption())
    .addOption(limitOption())
    .addOption(unusedAfterOption(30))
    .addOption(ignoreOption())
    .addOption(failOnOption())
    .addOption(wideOption())
    .addOption(operatorOption())
    .addHelpText('after', HELP)
    .action(async (file: string | undefined, options: FleetDriftOptions) => {
      const { fleetDrift } = await import('./run/drift.ts');
      await fleetDrift(file, options);
    });
}
