import { Command } from 'commander';
import { databaseOption } from '../option/record-option.ts';
import type { ControlOptions } from '../run/control.ts';

const HELP = `
Examples:
  $ sudo bouheki enforce policy.yaml --confirm-within 60s
  $ sudo bouheki confirm                from a new connection to the host: it can still be reached

The kernel itself takes a policy out of force that is not confirmed in time, also when bouheki has ended meanwhile.
Exit status: 0 confirmed, 2 trouble: no policy waits for it, or nothing enforces.`;

/** `bouheki confirm`: keep the policy that waits for it. */
export function confirmCommand(): Command {
  return new Command('confirm')
    .addOption(databaseOption())
    .addHelpText('after', HELP)
    .action(async ({ db }: ControlOptions) => {
      const { ask } = await import('../run/control.ts');
      await ask(db, { ask: 'confirm' });
    });
}
