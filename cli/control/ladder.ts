import { Command, Option } from 'commander';
import { readDuration } from '../option/duration.ts';
import { hostOption } from '../option/fleet-host.ts';
import { databaseOption, sinceOption } from '../option/record-option.ts';
import { confirmOption, guardKeyOption } from '../option/recorder-option.ts';
import type { LadderOptions } from '../ladder/ladder.ts';

const HELP = `
Examples:
  $ sudo bouheki ladder policy.yaml
  $ sudo bouheki ladder policy.yaml --climb --apply --confirm-within 10m
  $ sudo bouheki ladder policy.yaml --down nightly-backup --apply

A subject is what the rules of the policy name in \`from\`. It is ready to be blocked when its record is stable, as
\`bouheki status\` reports it, and when the policy would have blocked none of its connections in the quiet period, all of
which was recorded without losses. With --climb each ready subject gets an entry of \`modes\` with \`mode: block\`, below
those that are there, with the reason and the time above it. A subject for which the file has an entry already stays as
it is, so --down, which makes that entry one that monitors, holds until a person removes it.
With --whole the policy as a whole blocks, as soon as all its subjects do and the quiet period has nothing else that
would be blocked. Until then programs that no rule names are only monitored.
Without any of these options nothing is changed. Each step is a line on standard error.
Exit status: 0 done, 1 the pre-flight of --apply has found a reason not to block, 2 trouble.`;

/** `bouheki ladder POLICY`: block subjects one by one, when the record says that they are ready. */
export function ladderCommand(): Command {
  return new Command('ladder')
    .argument('<policy>', 'the policy file, in monitor mode')
    .option('--climb', 'write entries that block the subjects that are ready', false)
    .option('--whole', 'with --climb: have the whole policy block when all of it is ready', false)
    .option('--down <subject>', 'monitor the subject of this rule again')
    .addOption(
      new Option('--quiet <time>', 'for how long nothing may have been denied')
        .argParser(readDuration)
        .default(86_400, '24h'),
    )
    .option('--apply', 'have the running `bouheki enforce` read the file, when it has changed', false)
    .addOption(confirmOption('the policy before is in force again'))
    .addOption(guardKeyOption())
    .addOption(databaseOption())
    .addOption(sinceOption('only the record from this time on'))
    .addOption(hostOption())
    .option('--json', 'print where each subject stands as JSON', false)
    .addHelpText('after', HELP)
    .action(async (file: string, options: LadderOptions) => {
      // Not before: its help needs no database.
      const { runLadder } = await import('../ladder/ladder.ts');
      await runLadder(file, options);
    });
}
