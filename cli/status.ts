import { Command } from 'commander';
import { atLeastOption } from './option/duration.ts';
import { databaseOption, sinceOption, untilOption, wideOption } from './option/record-option.ts';
import type { StatusOptions } from './run/status.ts';

const HELP = `
Examples:
  $ bouheki status
  $ bouheki status --json
  $ bouheki status --since 7d           readiness of the last week alone
  $ bouheki status --metrics            for Prometheus; needs a recorder that runs

A subject is stable when at most 1 % of its next events may be new, which takes 300 events, and it was seen for
--at-least; it is learning when more than 10 % may be. Unseen is that share, estimated with caution: at least that of the
last fifth of the events which the rest did not foretell. Discovery counts the destinations known at the end of each
tenth of the events: it flattens when little is left to learn.

Exit status: 0 reported, 2 trouble.`;

/** `bouheki status`: what is recorded, and what the recorder is doing. */
export function statusCommand(): Command {
  return new Command('status')
    .addOption(databaseOption())
    .addOption(sinceOption('readiness from what happened at or after this time'))
    .addOption(untilOption('readiness from what happened before this time'))
    .addOption(atLeastOption())
    .option('--json', 'print one JSON document', false)
    .option('--metrics', 'print what the running recorder counts, in the text format of Prometheus', false)
    .addOption(wideOption())
    .addHelpText('after', HELP)
    .action(async (options: StatusOptions) => {
      const { reportStatus } = await import('./run/status.ts');
      await reportStatus(options);
    });
}
