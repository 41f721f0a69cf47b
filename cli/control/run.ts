import { Command, Option } from 'commander';
import type { ConfineOptions } from '../confine/confine.ts';

const HELP = `
Examples:
  $ sudo bouheki run -- npm ci                                what does it connect to?
  $ sudo bouheki run --learn egress.yaml -- npm ci            the policy that it needs
  $ sudo bouheki run --policy egress.yaml -- npm ci           nothing else from now on
  $ sudo bouheki run --policy egress.yaml --fail-on-denied --summary "$GITHUB_STEP_SUMMARY" -- make test

The command and all that it starts are in a cgroup of their own: the rest of the host is neither recorded nor judged.
With sudo the command runs as the user who called it, with that user's groups and no capabilities. A command that runs
as root can leave its cgroup, and what it has a daemon do, such as dockerd, is that daemon's doing: \`enforce\` holds the
whole host. What the command leaves running is ended with it. Signals are passed on.
Standard output and error are the command's; what bouheki says of it comes on standard error after the end.
Exit status: that of the command, 128 and the number of the signal that ended it, 126 it cannot be started, 127 it is not
there, 1 with --fail-on-denied when something was denied, 125 trouble of bouheki.`;

/** `bouheki run -- COMMAND`: record what one command connects to, or hold it to a policy. */
export function runCommand(): Command {
  return new Command('run')
    .argument('<command...>', 'the command, with its arguments')
    .passThroughOptions()
    .addOption(new Option('--policy <policy>', 'hold the command to this policy'))
    .addOption(new Option('--learn <policy>', 'write the policy that the command needs to this new file'))
    .addOption(new Option('--db <path>', 'add to this record; absent: one that is removed at the end'))
    .addOption(
      new Option('--user <name>', 'run the command as this user; absent: as the user who called sudo'),
    )
    .addOption(new Option('--summary <file>', 'add the outcome to this file, as Markdown'))
    .option(
      '--fail-on-denied',
      'end with status 1 when something was denied and the command did not fail',
      false,
    )
    .option('--no-names', 'read no DNS answers: destinations have no names, and rules by name match nothing')
    .addHelpText('after', HELP)
    .action(async (command: string[], options: ConfineOptions) => {
      const { confine } = await import('../confine/confine.ts');
      await confine(command, options);
    });
}
