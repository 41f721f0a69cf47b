import { Command } from 'commander';
import { databaseOption } from '../option/record-option.ts';
import type { ControlOptions } from '../run/control.ts';

const HELP = `
Examples:
  $ sudo bouheki resume

Exit status: 0 the policy holds again, 2 trouble: nothing is paused, or nothing enforces.`;

/** `bouheki resume`: end a pause before its time. */
export function resumeCommand(): Command {
  return new Command('resume')
    .addOption(databaseOption())
    .addHelpText('after', HELP)
    .action(async ({ db }: ControlOptions) => {
      const { ask } = await import('../run/control.ts');
      await ask(db, { ask: 'resume' });
    });
}
