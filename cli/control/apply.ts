import { Command } from 'commander';
import { databaseOption } from '../option/record-option.ts';
import { confirmOption } from '../option/recorder-option.ts';
import type { ApplyOptions } from '../run/control.ts';

const HELP = `
Examples:
  $ sudo bouheki apply policy.yaml --confirm-within 60s
  $ sudo bouheki confirm

The running \`bouheki enforce\` reads the file itself, so it must be one that only root can change. When it is not valid,
or can't be put in force, the policy before stays. From then on SIGHUP reads this file. The mode that \`bouheki enforce\`
was started with, if any, holds for it too.
Exit status: 0 in force, 2 trouble.`;

/** `bouheki apply POLICY`: put another policy in force. */
export function applyCommand(): Command {
  return new Command('apply')
    .argument('<policy>', 'the policy file')
    .addOption(confirmOption('the policy before is in force again'))
    .addOption(databaseOption())
    .addHelpText('after', HELP)
    .action(async (file: string, options: ApplyOptions) => {
      const { apply } = await import('../run/control.ts');
      await apply(file, options);
    });
}
