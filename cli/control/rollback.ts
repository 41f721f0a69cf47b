import { Command } from 'commander';
import { guardKeyOption } from '../option/recorder-option.ts';
import { databaseOption } from '../option/record-option.ts';
import type { RollbackOptions } from '../run/control.ts';

const HELP = `
Examples:
  $ sudo bouheki rollback

The policy that was in force before is in force again. Where there was none, what is in force goes on in monitor mode:
nothing is blocked, and what it would block is noted. Once more, and nothing is blocked either. SIGHUP does not bring
back a policy that was rolled back; \`bouheki apply\` does, a changed file does, and so does a new start.
Exit status: 0 rolled back, 2 trouble: there is nothing to go back to, or nothing enforces.`;

/** `bouheki rollback`: take back the policy in force. */
export function rollbackCommand(): Command {
  return new Command('rollback')
    .addOption(guardKeyOption())
    .addOption(databaseOption())
    .addHelpText('after', HELP)
    .action(async (options: RollbackOptions) => {
      const { rollBack } = await import('../run/control.ts');
      await rollBack(options);
    });
}
