import { Command } from 'commander';
import { operatorOption } from './option.ts';
import type { HostsOptions } from './run/hosts.ts';

const HELP = `
Examples:
  $ bouheki fleet hosts
  $ bouheki fleet hosts --workload web --json
  $ bouheki fleet hosts --workload web --outliers

Exit status: 0 printed, 2 trouble.`;

/** `bouheki fleet hosts`: every host, and what it holds. */
export function hostsCommand(): Command {
  return new Command('hosts')
    .description('List the hosts of the fleet, and what each holds')
    .option('--workload <name>', 'only its hosts')
    .option('--json', 'print them as JSON', false)
    .option('--outliers', 'of one workload: those that differ from the others in what they showed', false)
    .addOption(operatorOption())
    .addHelpText('after', HELP)
    .action(async (options: HostsOptions & { outliers: boolean }) => {
      if (options.outliers) {
        const { listOutliers } = await import('../evidence/run/outliers.ts');
        await listOutliers(options);
        return;
      }
      const { listHosts } = await import('./run/hosts.ts');
      await listHosts(options);
    });
}
