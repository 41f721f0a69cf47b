import { Command } from 'commander';
import { databaseOption } from '../option/record-option.ts';
import type { ControlOptions } from '../run/control.ts';

const HELP = `
Examples:
  $ sudo bouheki rearm

What the breaker of \`bouheki enforce --breaker\` has opened is blocked again.
Exit status: 0 the policy holds for every subject again, 2 trouble: nothing was opened, or nothing enforces.`;

/** `bouheki rearm`: take back what the breaker has opened. */
export function rearmCommand(): Command {
  return new Command('rearm')
    .addOption(databaseOption())
    .addHelpText('after', HELP)
    .action(async ({ db }: ControlOptions) => {
      const { ask } = await import('../run/control.ts');
      await ask(db, { ask: 'rearm' });
    });
}
