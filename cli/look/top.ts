import { Command } from 'commander';
import type { TopOptions } from '../live/top.ts';
import { databaseOption } from '../option/record-option.ts';

const HELP = `
Examples:
  $ sudo bouheki top

Who connects where at present, while \`bouheki learn\` or \`bouheki enforce\` records: connections a second over the last
ten seconds, how many since it was started, how many of them were denied, and how many destinations were new in the last
hour. WOULD DENY counts apart what a policy in monitor mode has denied, which stopped nothing; it is there once there
was such a one.

Keys: v shows subjects, destinations or rules; s sorts by another column; / filters by a part of the name; p pauses; arrows,
j, k and the page keys scroll; q ends it.
UDP connects that send nothing are left out. Lost is what the recorder lost since it was started; not shown is what came
faster than it could be taken here.
Exit status: 0 ended by a key, a signal or the end of the recorder; 2 trouble.`;

/** `bouheki top`: who connects where, by rate. */
export function topCommand(): Command {
  return new Command('top')
    .addOption(databaseOption())
    .addHelpText('after', HELP)
    .action(async (options: TopOptions) => {
      const { top } = await import('../live/top.ts');
      await top(options);
    });
}
