import { Command } from 'commander';
import type { CloseOptions } from '../run/close.ts';

const HELP = `
Examples:
  $ sudo bouheki close policy.yaml          list what would be closed
  $ sudo bouheki close policy.yaml --yes    close it

A policy holds for connections that are open when it comes into force: what their processes send fails. They stay open,
though, and with \`enforce --cgroup\` those of TCP go on. This ends them: the next read or write of their processes fails.
Connections that were accepted are not judged and stay, so no session is lost. Those to an address that a rule allows by
DNS name stay too. Put the policy in force first, or programs connect again.
It takes \`ss\` of iproute2, and sees connections of TCP and UDP in the network namespaces of all processes.
Exit status: 0 none is open any more, 1 there are some, 2 trouble: the kernel closes none, or some stayed.`;

/** `bouheki close POLICY`: close open connections that a policy denies. */
export function closeCommand(): Command {
  return new Command('close')
    .argument('<policy>', 'the policy file')
    .option('--yes', 'close them; without it they are listed', false)
    .option('--cgroup <directory>', 'of this cgroup and those below it alone, as with `enforce --cgroup`')
    .option('--json', 'print them as JSON', false)
    .addHelpText('after', HELP)
    .action(async (file: string, options: CloseOptions) => {
      const { close } = await import('../run/close.ts');
      await close(file, options);
    });
}
