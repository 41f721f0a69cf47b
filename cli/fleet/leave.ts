import { Command } from 'commander';
import { directoryOption } from './option/agent-option.ts';

const HELP = `
Examples:
  $ sudo bouheki leave

Removes the identity of this host, its labels, and the policies that its fleet sent. The hub is not asked, so that a host
can leave a fleet that is gone. What is in force stays until \`bouheki enforce\` ends, and starts with its own policy then.
Exit status: 0 left, 2 trouble.`;

/** `bouheki leave`: take this host out of its fleet. */
export function leaveCommand(): Command {
  return new Command('leave')
    .addOption(directoryOption())
    .addHelpText('after', HELP)
    .action(async (options: { dir: string }) => {
      const { leaveFleet } = await import('./run/join.ts');
      leaveFleet(options);
    });
}
