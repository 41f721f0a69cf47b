import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { BouhekiError } from '../../error/error.ts';
import { packageVersion } from '../report/version.ts';
import { manPage, pageName } from './man-page.ts';

const HELP = `
Examples:
  $ bouheki man drift | man -l -
  $ sudo bouheki man --into /usr/local/share/man/man1

Pages are in section 1, as the packages have them: bouheki(1), bouheki-drift(1). They are made of what --help prints, so
print them again after an upgrade. Without a command and --into it is the page of bouheki itself.
Exit status: 0 printed or written, 2 trouble.`;

interface ManOptions {
  into?: string;
  date: string;
}

/** `bouheki man [COMMAND]`: manual pages, made of the commands' help. */
export function manCommand(): Command {
  return new Command('man')
    .argument('[command]', 'the command that the page is about')
    .option('--into <folder>', 'write the pages of all commands into this folder')
    .option('--date <day>', 'the date that they have: 2026-11-21; absent: today', readDay, today())
    .addHelpText('after', HELP)
    .action((name: string | undefined, options: ManOptions, command: Command) => {
      const program = command.parent!;
      const footer = { version: packageVersion(), date: options.date };
      if (options.into !== undefined) writePages(program, options.into, footer);
      else process.stdout.write(manPage(named(program, name), footer));
    });
}

function writePages(program: Command, folder: string, footer: { version: string; date: string }): void {
  try {
    mkdirSync(folder, { recursive: true });
    for (const each of [program, ...program.commands])
      writeFileSync(join(folder, `${pageName(each)}.1`), manPage(each, footer));
  } catch (error) {
    throw new BouhekiError('usage', `cannot write manual pages into ${folder}`, {
      remedy: 'name a folder that you can write to with --into',
      cause: error,
    });
  }
}

function named(program: Command, name: string | undefined): Command {
  if (name === undefined) return program;
  const found = program.commands.find((command) => command.name() === name);
  if (found !== undefined) return found;
  throw new BouhekiError('usage', `there is no command ${name}`, {
    remedy: '`bouheki --help` lists the commands',
  });
}

function readDay(value: string): string {
  const valid = /^\d{4}-\d\d-\d\d$/.test(value) && !Number.isNaN(Date.parse(value));
  if (!valid) throw new InvalidArgumentError('It must be a day such as 2026-11-21.');
  return value;
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}
