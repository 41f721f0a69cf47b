import { Command } from 'commander';
import { databaseOption, sinceOption } from '../option/record-option.ts';
import { confirmOption, guardKeyOption } from '../option/recorder-option.ts';
import type { ApplyOptions } from '../run/control.ts';

const HELP = `
Examples:
  $ sudo bouheki apply policy.yaml --confirm-within 60s
  $ sudo bouheki confirm

The running \`bouheki enforce\` reads the file itself, so it must be one that only root can change. When it is not valid,
or can't be put in force, the policy before stays. From then on SIGHUP reads this file. The mode that \`bouheki enforce\`
was started with, if any, holds for it too.
With --shadow the running \`bouheki enforce\`, which must have been started with --shadow too, counts this policy from now
on, and blocks nothing by it.
A policy that blocks has the pre-flight of \`bouheki enforce\` first, which see.
Exit status: 0 in force, 1 the pre-flight has found a reason not to block, 2 trouble.`;

/** `bouheki apply POLICY`: put another policy in force. */
export function applyCommand(): Command {
  return new Command('apply')
    .argument('<policy>', 'the policy file')
    .addOption(confirmOption('the policy before is in force again'))
    .option('--force', 'put it in force whatever the pre-flight finds', false)
    .option('--shadow', 'count it beside the policy in force instead, as `enforce --shadow` does', false)
    .option('--no-preflight', 'put it in force without looking at anything first')
    .addOption(sinceOption('what the pre-flight replays of the record; a week by default: from when on'))
    .addOption(guardKeyOption())
    .addOption(databaseOption())
    .addHelpText('after', HELP)
    .action(async (file: string, options: ApplyOptions) => {
      const { apply } = await import('../run/control.ts');
      await apply(file, options);
    });
}
