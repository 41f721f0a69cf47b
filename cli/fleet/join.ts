import { Command } from 'commander';
import { directoryOption } from './option/agent-option.ts';
import type { JoinOptions } from './run/join.ts';

const HELP = `
Examples:
  $ sudo bouheki join --token-file token
  $ sudo bouheki join hub.example.com --token-file -

The token comes from \`bouheki hub token\` and names the hub; another address can be given where hosts reach it by one. The
authority of the hub is verified by the token, so nothing has to be believed at first contact. Afterwards
\`bouheki learn\` and \`bouheki enforce\` report to the hub from their next start on. An answer that was lost costs no use of
the token: call it again. With --force a host joins its own fleet anew, as one that was cloned must; to join another fleet,
leave this one first. A token on the command line can be seen by other users of this host: prefer --token-file.
Exit status: 0 joined, 2 trouble.`;

/** `bouheki join HUB`: make this host one of a fleet. */
export function joinCommand(): Command {
  return new Command('join')
    .argument('[hub]', 'HOST or HOST:PORT where hosts enrol; by default what the token names')
    .option('--token <token>', 'the token')
    .option('--token-file <file>', 'the file that has it; - is standard input')
    .option('--name <name>', 'what the host is called in reports; by default its hostname')
    .option('--force', 'join anew, as another host', false)
    .addOption(directoryOption())
    .addHelpText('after', HELP)
    .action(async (hub: string | undefined, options: JoinOptions) => {
      const { joinFleet } = await import('./run/join.ts');
      await joinFleet(hub, options);
    });
}
