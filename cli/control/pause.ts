import { Command, InvalidArgumentError, Option } from 'commander';
import { readTrial } from '../option/duration.ts';
import { guardKeyOption } from '../option/recorder-option.ts';
import { databaseOption } from '../option/record-option.ts';
import type { PauseOptions } from '../run/control.ts';

const HELP = `
Examples:
  $ sudo bouheki pause --for 10m --exe /usr/bin/apt-get --why "upgrade"
  $ sudo bouheki pause --for 5m --uid 1000 --to 10.0.0.0/8
  $ sudo bouheki pause --for 2m                 nothing is blocked meanwhile

What all the given options match is allowed for a time, beside what the policy allows; what it denies by a deny rule
stays denied. Without any of them nothing is blocked, and what would be is noted. The kernel ends the pause when its
time has come, also when bouheki has ended meanwhile; \`bouheki resume\` ends it before. Until then no other policy can
be put in force. \`bouheki status\` shows a pause, and what went through in it is new to \`bouheki drift\`.
Exit status: 0 paused, 2 trouble: nothing is blocked, a policy waits for its confirmation, or nothing enforces.`;

/** `bouheki pause --for TIME`: exempt somebody from the policy in force for a time. */
export function pauseCommand(): Command {
  return new Command('pause')
    .addOption(
      new Option('--for <time>', 'how long, a day at the most').argParser(readTrial).makeOptionMandatory(),
    )
    .addOption(new Option('--uid <id>', 'processes of this user').argParser(readUid))
    .option('--exe <path>', 'this program of the host')
    .option('--unit <name>', 'this unit of systemd')
    .option('--container <name>', 'this container')
    .option('--to <destination>', 'an address, a prefix or a DNS name; absent: every destination')
    .option('--why <text>', 'a reason, for the messages')
    .addOption(guardKeyOption())
    .addOption(databaseOption())
    .addHelpText('after', HELP)
    .action(async (options: PauseOptions) => {
      const { pause } = await import('../run/control.ts');
      await pause(options);
    });
}

function readUid(text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be the number of a user.');
}
