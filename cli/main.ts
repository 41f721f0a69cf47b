#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { BouhekiError } from '../error/error.ts';
import { visibleLines } from '../error/visible.ts';
import { renderFailure, TROUBLE } from '../error/failure.ts';
import { databaseOption } from './option/record-option.ts';
import { packageVersion } from './report/version.ts';

/** Each command by its name, loaded when it is asked for: loading all of them costs more than most of them do. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  learn: async () => (await import('./learn.ts')).learnCommand(),
  generate: async () => (await import('./generate.ts')).generateCommand(),
  enforce: async () => (await import('./enforce.ts')).enforceCommand(),
  drift: async () => (await import('./drift.ts')).driftCommand(),
  check: async () => (await import('./check.ts')).checkCommand(),
  diff: async () => (await import('./diff.ts')).diffCommand(),
  explain: async () => (await import('./explain.ts')).explainCommand(),
  review: async () => (await import('./review.ts')).reviewCommand(),
  schema: async () => (await import('./schema.ts')).schemaCommand(),
  import: async () => (await import('./import.ts')).importCommand(),
  export: async () => (await import('./export.ts')).exportCommand(),
  query: async () => (await import('./query.ts')).queryCommand(),
  status: async () => (await import('./status.ts')).statusCommand(),
  doctor: async () => (await import('./doctor.ts')).doctorCommand(),
};

const HELP = `
The loop:
  $ sudo bouheki learn --duration 24h
  $ sudo bouheki generate > policy.yaml
  $ sudo bouheki enforce policy.yaml --mode monitor
  $ sudo bouheki drift policy.yaml

Data goes to standard output, messages to standard error.
Exit status: 0 fine, 1 findings, 2 trouble.`;

async function program(words: readonly string[]): Promise<Command> {
  const command = new Command('bouheki')
    .description(
      'Learn what a Linux host connects to, allow exactly that, enforce it in the kernel, report drift',
    )
    .version(packageVersion(), '-V, --version')
    .option('--config <policy>', 'put a policy in force: the same as `enforce`')
    .addOption(databaseOption())
    .showSuggestionAfterError()
    .addHelpText('after', HELP)
    .allowExcessArguments()
    .hook('preSubcommand', passOn)
    .action(async (options: { config?: string; db: string }) => {
      const [unknown] = command.args;
      if (unknown !== undefined) {
        throw new BouhekiError('usage', `there is no command "${unknown}"`, {
          remedy: '`bouheki --help` lists the commands',
        });
      }
      if (options.config === undefined) command.help({ error: true });
      else await (await import('./enforce.ts')).enforce(options.config, { db: options.db, backend: 'auto' });
    });
  // Help, and the suggestion for a misspelt command, need them all.
  const named = Object.keys(COMMANDS).filter((name) => words.includes(name));
  const wanted = named.length === 0 || words[0] === 'help' ? Object.keys(COMMANDS) : named;
  const commands: Command[] = [];
  for (const name of wanted) commands.push(await COMMANDS[name]!());
  for (const subcommand of commands) command.addCommand(subcommand);
  for (const each of [command, ...commands]) {
    each.exitOverride().enablePositionalOptions();
    // What it complains of are words of the command line, which may come from outside.
    each.configureOutput({ writeErr: (text) => void process.stderr.write(visibleLines(text)) });
    each.showHelpAfterError(`  see \`${each === command ? 'bouheki' : `bouheki ${each.name()}`} --help\``);
  }
  return command;
}

/** Options that stand before the name of a command count for it, or are refused: none is ignored. */
function passOn(command: Command, subcommand: Command): void {
  if (command.getOptionValueSource('config') !== undefined) {
    throw new BouhekiError('usage', `--config and the command ${subcommand.name()} do not go together`, {
      remedy: 'use --config without a command, or `bouheki enforce`',
    });
  }
  if (command.getOptionValueSource('db') === 'cli') {
    subcommand.setOptionValueWithSource('db', command.opts<{ db: string }>().db, 'default');
  }
}

// Whoever reads our output may have had enough of it: `bouheki query ... | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

try {
  await (await program(process.argv.slice(2))).parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // commander has already said what is wrong; help and version are no trouble.
    process.exitCode = error.exitCode === 0 ? 0 : TROUBLE;
  } else {
    process.stderr.write(renderFailure(error));
    process.exitCode = TROUBLE;
  }
}
