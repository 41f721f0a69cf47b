#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { BouhekiError } from '../error/error.ts';
import { checkCommand } from './check.ts';
import { diffCommand } from './diff.ts';
import { doctorCommand } from './doctor.ts';
import { driftCommand } from './drift.ts';
import { enforce, enforceCommand } from './enforce.ts';
import { explainCommand } from './explain.ts';
import { renderFailure, TROUBLE } from './failure.ts';
import { exportCommand } from './export.ts';
import { generateCommand } from './generate.ts';
import { importCommand } from './import.ts';
import { learnCommand } from './learn.ts';
import { queryCommand } from './query.ts';
import { databaseOption } from './record-option.ts';
import { schemaCommand } from './schema.ts';
import { statusCommand } from './status.ts';
import { packageVersion } from './version.ts';

const HELP = `
The loop:
  $ sudo bouheki learn --duration 24h
  $ sudo bouheki generate > policy.yaml
  $ sudo bouheki enforce policy.yaml --mode monitor
  $ sudo bouheki drift policy.yaml

Data goes to standard output, messages to standard error.
Exit status: 0 fine, 1 findings, 2 trouble.`;

function program(): Command {
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
      else await enforce(options.config, { db: options.db });
    });
  const commands = [
    learnCommand(),
    generateCommand(),
    enforceCommand(),
    driftCommand(),
    checkCommand(),
    diffCommand(),
    explainCommand(),
    schemaCommand(),
    importCommand(),
    exportCommand(),
    queryCommand(),
    statusCommand(),
    doctorCommand(),
  ];
  for (const subcommand of commands) command.addCommand(subcommand);
  for (const each of [command, ...commands]) {
    each.exitOverride().enablePositionalOptions();
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
  await program().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // commander has already said what is wrong; help and version are no trouble.
    process.exitCode = error.exitCode === 0 ? 0 : TROUBLE;
  } else {
    process.stderr.write(renderFailure(error));
    process.exitCode = TROUBLE;
  }
}
