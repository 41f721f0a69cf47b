import { Command } from 'commander';
import { operatorOption } from './option.ts';
import type { StatusOptions } from './run/status.ts';

const HELP = `
Examples:
  $ bouheki fleet status
  $ bouheki fleet status --json

For each workload: its hosts, what they hold, and what somebody has to look at: roll-outs that stopped or went back, hosts
that are stale, silent, refused a policy, fell back, lost events, are clones, or whose clock is wrong.
Exit status: 0 nothing to look at, 1 findings, 2 trouble.`;

/** `bouheki fleet status`: each workload, and what is wrong. */
export function statusCommand(): Command {
  return new Command('status')
    .description('Report each workload: its hosts, its release, and what is wrong')
    .option('--json', 'print it as JSON', false)
    .addOption(operatorOption())
    .addHelpText('after', HELP)
    .action(async (options: StatusOptions) => {
      const { fleetStatus } = await import('./run/status.ts');
      await fleetStatus(options);
    });
}
