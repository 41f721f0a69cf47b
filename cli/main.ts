#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { BouhekiError } from '../error/error.ts';
import { visibleLines } from '../error/visible.ts';
import { renderFailure, TROUBLE } from '../error/failure.ts';
import { unwritten } from '../error/unwritten.ts';
import { databaseOption } from './option/record-option.ts';
import { packageVersion } from './report/version.ts';
import { messageFor } from '../output/journal.ts';

interface CommandEntry {
  summary: string;
  load(): Promise<Command>;
}

/**
 * Each command by its name, loaded when it is asked for: loading all of them takes ten times as long as Node
 * does.
 */
const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  learn: {
    summary: 'Record every outgoing connection with its process, user and container',
    load: async () => (await import('./learn.ts')).learnCommand(),
  },
  generate: {
    summary: 'Write the policy that allows what was recorded, and nothing else',
    load: async () => (await import('./generate.ts')).generateCommand(),
  },
  enforce: {
    summary: 'Put a policy in force and record every connection with its verdict',
    load: async () => (await import('./enforce.ts')).enforceCommand(),
  },
  run: {
    summary: 'Run one command, and record what it connects to or hold it to a policy',
    load: async () => (await import('./control/run.ts')).runCommand(),
  },
  apply: {
    summary: 'Put another policy in force, for good or until it is confirmed',
    load: async () => (await import('./control/apply.ts')).applyCommand(),
  },
  confirm: {
    summary: 'Keep the policy in force that waits for it',
    load: async () => (await import('./control/confirm.ts')).confirmCommand(),
  },
  rollback: {
    summary: 'Go back to the policy before, or to none that blocks',
    load: async () => (await import('./control/rollback.ts')).rollbackCommand(),
  },
  pause: {
    summary: 'Exempt somebody from the policy in force for a time',
    load: async () => (await import('./control/pause.ts')).pauseCommand(),
  },
  resume: {
    summary: 'End a pause before its time',
    load: async () => (await import('./control/resume.ts')).resumeCommand(),
  },
  rearm: {
    summary: 'Block again what the breaker has opened',
    load: async () => (await import('./control/rearm.ts')).rearmCommand(),
  },
  close: {
    summary: 'Close open connections that a policy denies',
    load: async () => (await import('./control/close.ts')).closeCommand(),
  },
  detach: {
    summary: 'End all enforcement that is kept, with a daemon or without',
    load: async () => (await import('./control/detach.ts')).detachCommand(),
  },
  watch: {
    summary: 'Show connections as they are recorded',
    load: async () => (await import('./look/watch.ts')).watchCommand(),
  },
  top: {
    summary: 'Show who connects where at present, by rate',
    load: async () => (await import('./look/top.ts')).topCommand(),
  },
  report: {
    summary: 'Write a page about the record and a policy, for a browser',
    load: async () => (await import('./look/report.ts')).reportCommand(),
  },
  ui: {
    summary: 'Show that page live in a browser, and review a policy there',
    load: async () => (await import('./look/ui.ts')).uiCommand(),
  },
  drift: {
    summary: 'Compare what was recorded with a policy',
    load: async () => (await import('./drift.ts')).driftCommand(),
  },
  simulate: {
    summary: 'Judge recorded events by a policy that is not in force yet',
    load: async () => (await import('./control/simulate.ts')).simulateCommand(),
  },
  ladder: {
    summary: 'Block subjects one by one, when the record says that they are ready',
    load: async () => (await import('./control/ladder.ts')).ladderCommand(),
  },
  check: {
    summary: 'Check a policy file, or write a version 1 file as version 2',
    load: async () => (await import('./check.ts')).checkCommand(),
  },
  diff: {
    summary: 'Compare two policies by meaning',
    load: async () => (await import('./diff.ts')).diffCommand(),
  },
  'export-policy': {
    summary: 'Write a policy for nftables, iptables, systemd, Kubernetes, Cilium, AWS or Terraform',
    load: async () => (await import('./control/export-policy.ts')).exportPolicyCommand(),
  },
  explain: {
    summary: 'Report what a policy decides about one connection or socket, and why',
    load: async () => (await import('./explain.ts')).explainCommand(),
  },
  review: {
    summary: 'Decide on what is marked in a policy, one destination at a time',
    load: async () => (await import('./review.ts')).reviewCommand(),
  },
  schema: {
    summary: 'Print the JSON Schema (draft-07) of policy files, or of drift reports',
    load: async () => (await import('./schema.ts')).schemaCommand(),
  },
  import: {
    summary: 'Add connections that another tool has recorded',
    load: async () => (await import('./import.ts')).importCommand(),
  },
  export: {
    summary: 'Write the record as CSV, NDJSON or Parquet',
    load: async () => (await import('./export.ts')).exportCommand(),
  },
  query: {
    summary: 'Query the record with SQL',
    load: async () => (await import('./query.ts')).queryCommand(),
  },
  status: {
    summary: 'Report what is recorded, what is missing, and what a running recorder does',
    load: async () => (await import('./status.ts')).statusCommand(),
  },
  hub: {
    summary: 'Serve a fleet of hosts: make a hub, run it, let hosts and operators in',
    load: async () => (await import('./fleet/hub.ts')).hubCommand(),
  },
  fleet: {
    summary: 'Publish policies to a fleet of hosts, and look at it',
    load: async () => (await import('./fleet/fleet.ts')).fleetCommand(),
  },
  join: {
    summary: 'Make this host one of a fleet',
    load: async () => (await import('./fleet/join.ts')).joinCommand(),
  },
  leave: {
    summary: 'Take this host out of its fleet',
    load: async () => (await import('./fleet/leave.ts')).leaveCommand(),
  },
  completion: {
    summary: 'Print what bash, zsh or fish needs to complete commands and options',
    load: async () => (await import('./setup/completion.ts')).completionCommand(),
  },
  man: {
    summary: 'Print manual pages',
    load: async () => (await import('./setup/man.ts')).manCommand(),
  },
  version: {
    summary: 'Print the version number, or of what it is made and where it runs',
    load: async () => (await import('./setup/version.ts')).versionCommand(),
  },
  doctor: {
    summary: 'Check what this kernel and machine offer, and report how to mend what is missing',
    load: async () => (await import('./doctor.ts')).doctorCommand(),
  },
};

/** The options that commands have on this host, unless $BOUHEKI_CONFIG names another file, or none. */
const CONFIG = '/etc/bouheki/config.yaml';

/** What stands for `enforce`. */
const PUT_IN_FORCE = /^--config(=|$)/;

/** What is said of this program, which no file may change. */
const WITHOUT_CONFIG = new Set(['completion', 'man', 'version']);

/** What is about the options of other commands. */
const OF_ALL_COMMANDS = new Set(['completion', 'man']);

const HELP = `
The loop:
  $ sudo bouheki learn --duration 24h
  $ sudo bouheki generate > policy.yaml
  $ sudo bouheki enforce policy.yaml --mode monitor
  $ sudo bouheki drift policy.yaml

Data goes to standard output, messages to standard error.
Options that commands have on this host are in /etc/bouheki/config.yaml; the command line wins.
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
    .hook('preSubcommand', passOn);
  // With an action of its own commander would know neither `help` nor a misspelt command.
  if (words.some((word) => PUT_IN_FORCE.test(word))) {
    command.action(async ({ config, db }: { config: string; db: string }) => {
      // Whoever starts it so has done so before there was a pre-flight: it says what it finds, and stops nothing.
      await (
        await import('./run/enforce.ts')
      ).enforce(config, { db, backend: 'auto', names: true, force: true });
    });
  }
  // A command that is not asked for is only listed; a shell completes the options of all, and pages have them.
  const all =
    OF_ALL_COMMANDS.has(words[0] ?? '') &&
    words.length > 1 &&
    !words.some((word) => ['-h', '--help'].includes(word));
  const commands = await Promise.all(
    Object.entries(COMMANDS).map(async ([name, { summary, load }]) =>
      (all || words.includes(name) ? await load() : new Command(name)).description(summary),
    ),
  );
  // Before there are any: one passes options on.
  command.enablePositionalOptions();
  for (const subcommand of commands) command.addCommand(subcommand);
  refuseUnknown(command, words);
  await configureHost(command, words);
  for (const each of allIn(command)) {
    each.exitOverride();
    // What it complains of are words of the command line, which may come from outside.
    each.configureOutput({
      writeErr: (text) => void process.stderr.write(visibleLines(text)),
      outputError: (text, write) => write(text.replace(/^error: /, 'bouheki: ')),
    });
    each.showHelpAfterError(`  see \`${nameOf(each)} --help\``);
  }
  return command;
}

/** A command with all below it. */
function allIn(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allIn)];
}

/** As one types it: `bouheki hub run`. */
function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
}

/** An unknown command is an error also in front of --help, where commander prints its own help. */
function refuseUnknown(command: Command, words: readonly string[]): void {
  const [first] = words;
  if (first === undefined || first.startsWith('-') || first === 'help') return;
  if (command.commands.some((each) => each.name() === first)) return;
  command.helpOption(false);
}

/**
 * Sets the options that the configuration of this host has for the command that is asked for. Help and versions do not
 * depend on it, so that they can be had whatever is in the file.
 */
async function configureHost(command: Command, words: readonly string[]): Promise<void> {
  const path = process.env['BOUHEKI_CONFIG'] ?? CONFIG;
  const name = words.find((word) => Object.hasOwn(COMMANDS, word));
  const asks =
    words.some((word) => PUT_IN_FORCE.test(word)) || (name !== undefined && !WITHOUT_CONFIG.has(name));
  const own = words.slice(0, words.includes('--') ? words.indexOf('--') : undefined);
  if (!asks || own.some((word) => ['-h', '--help'].includes(word)) || !existsSync(path)) return;
  const { configure } = await import('./setup/config-file.ts');
  configure(command, name, path);
}

/** Options that stand before the name of a command count for it, or are refused: none is ignored. */
function passOn(command: Command, subcommand: Command): void {
  if (command.getOptionValueSource('config') !== undefined) {
    throw new BouhekiError('usage', `--config and the command ${subcommand.name()} do not go together`, {
      remedy: 'use --config without a command, or `bouheki enforce`',
    });
  }
  if (command.getOptionValueSource('db') === 'cli') {
    subcommand.setOptionValueWithSource('db', command.opts<{ db: string }>().db, 'cli');
  }
}

// The reader of our output may have had enough of it: `bouheki query ... | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  // What records or enforces goes on without it.
  if (process.listenerCount('uncaughtException') > 0) throw error;
  process.stderr.write(messageFor(2, renderFailure(unwritten(error))));
  process.exit(TROUBLE);
});
// Nothing that is done depends on whether anybody can be told.
process.stderr.on('error', () => undefined);

try {
  await (await program(process.argv.slice(2))).parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // commander has already said what is wrong; help and version are no trouble.
    process.exitCode = error.exitCode === 0 ? 0 : TROUBLE;
  } else {
    process.stderr.write(messageFor(2, renderFailure(error)));
    process.exitCode = TROUBLE;
  }
}
