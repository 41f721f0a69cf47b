import { Command } from 'commander';
import type { HostCommand } from '../../../fleet/wire/message.ts';
import { operatorOption } from './option.ts';
import type { HostStateOptions } from './run/host-state.ts';

const ABOUT: Record<HostCommand['action'], { summary: string; help: string }> = {
  quarantine: {
    summary: 'Take what a host has shown out of every policy to come',
    help: 'What it has shown counts in no policy to come, back to its start, and it is in no stage of a release. It keeps its policy.',
  },
  restore: {
    summary: 'Let a host count again',
    help: 'A host that was in quarantine, or taken for a clone, counts again with all that it has shown.',
  },
  revoke: {
    summary: 'Shut a host out of the fleet for good',
    help: 'Its certificate is worth nothing from now on, and its stream is closed. It keeps enforcing what it has.',
  },
};

/** `bouheki fleet quarantine|restore|revoke HOST`. */
export function hostStateCommands(): Command[] {
  return (Object.keys(ABOUT) as HostCommand['action'][]).map((action) =>
    new Command(action)
      .description(ABOUT[action].summary)
      .argument('<host>', 'its id, or a name that one host has')
      .option('--reason <text>', 'why: for the audit', '')
      .addOption(operatorOption())
      .addHelpText('after', `\n${ABOUT[action].help}\nExit status: 0 done, 2 trouble.`)
      .action(async (host: string, options: HostStateOptions) => {
        const { setHostState } = await import('./run/host-state.ts');
        await setHostState(action, host, options);
      }),
  );
}
