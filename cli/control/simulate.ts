import { Command, InvalidArgumentError, Option } from 'commander';
import { hostOption } from '../option/fleet-host.ts';
import { databaseOption, sinceOption, untilOption } from '../option/record-option.ts';
import type { SimulateOptions } from '../simulate/simulate.ts';

const HELP = `
Examples:
  $ bouheki simulate next.yaml
  $ bouheki simulate next.yaml --since 7d --against policy.yaml

Every recorded event is judged by the candidate, as if it had blocked then: what went through and would be blocked, with
the rule that denies it or comes nearest, and what was stopped and would go through. With --against, the events that
the candidate and that policy judge differently are listed as well. Nothing is attached, recorded or blocked.
What rules allow by DNS name takes a record with names: see \`bouheki drift\`.
Exit status: 0 nothing that went through would be blocked, 1 something would, 2 trouble.`;

/** `bouheki simulate CANDIDATE`: what a policy would have done to recorded events. */
export function simulateCommand(): Command {
  return new Command('simulate')
    .argument('<candidate>', 'the policy file that is to be tried')
    .addOption(databaseOption())
    .addOption(sinceOption())
    .addOption(untilOption())
    .addOption(hostOption())
    .option('--against <policy>', 'the policy in force: list what changes')
    .addOption(
      new Option(
        '--limit <subjects>',
        'print as many subjects of each list, those of most events first; 0: all',
      )
        .argParser(readLimit)
        .default(20),
    )
    .option('--json', 'print all of it as JSON', false)
    .addHelpText('after', HELP)
    .action(async (file: string, options: SimulateOptions) => {
      // Not before: its help needs no database.
      const { runSimulate } = await import('../simulate/simulate.ts');
      await runSimulate(file, options);
    });
}

function readLimit(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('It must be a number of subjects, 0 for all.');
  return Number(text);
}
