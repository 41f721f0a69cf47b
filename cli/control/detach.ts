import { Command } from 'commander';
import { guardKeyOption } from '../option/recorder-option.ts';
import type { KeyedOptions } from '../run/control.ts';

const HELP = `
Examples:
  $ sudo bouheki detach

A policy with on_exit: keep goes on when the process that enforces it ends, for whatever reason. This ends it, also where
no such process runs. One that still runs is asked to end. Where bouheki itself does not work any more, the same is done by
\`rm -r /sys/fs/bpf/bouheki\` and the end of the process; a reboot leaves nothing either.
Exit status: 0 nothing is kept any more, 2 trouble.`;

/** `bouheki detach`: end what is kept. */
export function detachCommand(): Command {
  return new Command('detach')
    .addOption(guardKeyOption())
    .addHelpText('after', HELP)
    .action(async (options: KeyedOptions) => {
      const { detach } = await import('../run/control.ts');
      await detach(options);
    });
}
