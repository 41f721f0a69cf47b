import { Command, InvalidArgumentError, Option } from 'commander';
import { atLeastOption, unusedAfterOption } from '../option/duration.ts';
import { databaseOption, sinceOption, untilOption } from '../option/record-option.ts';
import type { UiOptions } from '../ui/ui.ts';

const HELP = `
Examples:
  $ sudo bouheki ui
  $ sudo bouheki ui policy.yaml --edit
  $ sudo bouheki ui policy.yaml --socket /run/user/1000/bouheki.sock
  $ sudo bouheki ui --link

The page of \`bouheki report\` in a browser, with what happens now while \`bouheki learn\` or \`bouheki enforce\` records. The
link that is printed works once: it gives the browser a cookie, without which nothing is answered. Only this host can
reach it: by a port of 127.0.0.1, or with --socket by a socket of mode 0600, to which \`ssh -L\` leads from elsewhere.
Nothing can be changed, but with --edit: then what \`bouheki review\` asks can be answered there, each answer after a look
at what it changes in the policy. Answers go to the same POLICY.decisions, and can be taken back.
A process of its own answers the browser. As root, it becomes the user who called sudo, or else nobody.
Where the link is lost, or another browser is to be let in, \`bouheki ui --link\` asks the one that runs for another
link; one that was printed before and not opened works no more. Who is in stays in. Root and the user whose \`ui\` it is
may ask, by a socket of mode 0600 beside the record.
Ctrl-C ends it.
Exit status: 0 ended by a signal, or the link is printed; 2 trouble.`;

/** `bouheki ui [POLICY]`: the page of `report`, live, in a browser. */
export function uiCommand(): Command {
  return new Command('ui')
    .argument('[policy]', 'the policy file')
    .option('--socket <path>', 'listen at this Unix socket, which is made, and removed at the end')
    .addOption(
      new Option('--port <number>', 'listen at this port of 127.0.0.1; 0 is any that is free')
        .argParser(readPort)
        .default(0, '0'),
    )
    .option('--edit', 'let decisions be made that change the policy, as `bouheki review` does', false)
    .option('--link', 'print another link of the one that runs on the record', false)
    .addOption(databaseOption())
    .addOption(sinceOption())
    .addOption(untilOption())
    .addOption(atLeastOption())
    .addOption(unusedAfterOption())
    .addHelpText('after', HELP)
    .action(async (file: string | undefined, options: UiOptions & { link: boolean }, command: Command) => {
      if (options.socket !== undefined && command.getOptionValueSource('port') === 'cli') {
        command.error('error: --socket and --port are two places; give one of them');
      }
      if (options.link) {
        refuseBesideLink(file, command);
        const { printLink } = await import('../ui/link-client.ts');
        return await printLink(options.db);
      }
      const { ui } = await import('../ui/ui.ts');
      await ui(file, options);
    });
}

/** What is said of a page that is shown already would be done by nobody. */
function refuseBesideLink(file: string | undefined, command: Command): void {
  const given = command.options
    .map((option) => option.attributeName())
    .filter((name) => name !== 'link' && name !== 'db' && command.getOptionValueSource(name) === 'cli');
  if (file === undefined && given.length === 0) return;
  command.error('error: --link asks the one that runs, and goes with --db alone');
}

function readPort(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new InvalidArgumentError('It must be a number from 0 to 65535.');
}
