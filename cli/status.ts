import { Command } from 'commander';
import { databaseOption, sinceOption, untilOption } from './option/record-option.ts';
import { wideOption } from './option/wide-option.ts';
import type { StatusOptions } from './run/status.ts';

const HELP = `
Examples:
  $ bouheki status
  $ bouheki status --json
  $ bouheki status --since 7d           readiness of the last week alone
  $ bouheki status --metrics            for Prometheus; needs a recorder that runs

A subject is stable when it does almost nothing new, and learning when it still does much that is new. Unseen is the
cautious estimate of generate: at least the share of events in the last fifth of the window that the rest did not have.
Discovery counts the destinations known at the end of each tenth of the window: it flattens when little is left to learn.

Exit status: 0 reported, 2 trouble.`;

/** `bouheki status`: what is recorded, and what the recorder is doing. */
export function statusCommand(): Command {
  return new Command('status')
    .addOption(databaseOption())
    .addOption(sinceOption('readiness from what happened at or after this time'))
    .addOption(untilOption('readiness from what happened before this time'))
    .option('--json', 'print one JSON document', false)
    .option('--metrics', 'print what the running recorder counts, in the text format of Prometheus', false)
    .addOption(wideOption())
    .addHelpText('after', HELP)
    .action(async (options: StatusOptions) => {
      const { reportStatus } = await import('./run/status.ts');
      await reportStatus(options);
    });
}
