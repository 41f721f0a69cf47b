import { Command, InvalidArgumentError, Option } from 'commander';
import type { WatchOptions } from '../live/watch.ts';
import { parseWhere, type Where } from '../live/where.ts';
import { databaseOption } from '../option/record-option.ts';

const HELP = `
Examples:
  $ sudo bouheki watch
  $ sudo bouheki watch --denied
  $ sudo bouheki watch --new --subject 'php*'
  $ sudo bouheki watch --destination 10.0.0.0/8:5432 --json

One line a connection, within a second of when it is made, while \`bouheki learn\` or \`bouheki enforce\` records. What was
printed is not printed again: every ten seconds there is a line for how many more there were. A connection is new when
the program, by its executable, script, user and container, was not seen to go to that address or name and port in the
whole record. UDP connects that send nothing are left out.
What comes faster than it can be shown is counted, and there is a line for it: the recorder never waits. A terminal is
given at most 200 lines a second. With --json each connection is a line, bouheki.connection/v1, and what was missed
is bouheki.missed/v1.
The recorder's user and root may watch, four at a time.
Exit status: 0 ended by a signal, its reader or the end of the recorder; 2 trouble.`;

/** `bouheki watch`: connections as they are recorded. */
export function watchCommand(): Command {
  const command = new Command('watch');
  for (const option of filterOptions()) command.addOption(option);
  return command
    .option('--json', 'print one line of JSON for each', false)
    .addOption(databaseOption())
    .addHelpText('after', HELP)
    .action(async (options: WatchOptions) => {
      const { watch } = await import('../live/watch.ts');
      await watch(options);
    });
}

function filterOptions(): Option[] {
  return [
    new Option('--denied', 'only what is denied, or would be in block mode'),
    new Option('--verdict <verdict>', 'only these; noted is what would be denied in block mode').choices([
      'allow',
      'deny',
      'noted',
    ]),
    new Option('--new', 'only what was not seen before'),
    new Option(
      '--subject <pattern>',
      'only of a command, executable, script, unit, container, image, user or uid, with * for any text',
    ),
    new Option(
      '--destination <where>',
      'only to an address or prefix, a port or both: 10.0.0.0/8, :53, [2001:db8::1]:443',
    ).argParser(readWhere),
    new Option('--name <pattern>', 'only to a DNS name, with * for any text: *.example.com'),
  ];
}

function readWhere(text: string): Where {
  const where = parseWhere(text);
  if (where !== undefined) return where;
  throw new InvalidArgumentError(
    'It must be an address, a prefix, a port or both: 10.0.0.0/8, :53, [::1]:443.',
  );
}
