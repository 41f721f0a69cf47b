import { Command, Option } from 'commander';
import { BouhekiError } from '../error/error.ts';
import type { DryRunOptions } from './preflight/dry-run.ts';
import { databaseOption, sinceOption } from './option/record-option.ts';
import { confirmOption, parseBreaker, recorderOptions } from './option/recorder-option.ts';
import type { EnforceOptions } from './option/recorder-option.ts';

const HELP = `
Examples:
  $ sudo bouheki enforce policy.yaml --mode monitor    note what would be blocked
  $ sudo bouheki enforce policy.yaml --dry-run         look at what blocking would do, and do nothing
  $ sudo bouheki enforce policy.yaml                   in the mode that the policy names
  $ sudo bouheki enforce policy.yaml --confirm-within 60s; \`bouheki confirm\` from a new session keeps it

On a host that has joined a fleet (\`bouheki join\`) no policy need be named: what the fleet has published for this host is
in force, from the start on what was confirmed last. With a policy that is named, evidence goes up and none comes down.

Before it blocks, a pre-flight replays the record of a week (at most a minute) and looks at the resolvers of this host,
the session it is run from, tunnels, raw sockets and open connections. Where recorded traffic would be blocked, or
nobody could ask a resolver, it attaches nothing and ends with 1, unless --force is given.

Every connection is recorded with its verdict, for \`bouheki drift\`. Denied connections are logged on standard output, or
in the file that the policy names: in a terminal as a line for people, with repeats counted every ten seconds and times
by the host's clock (all other times are UTC), else as JSON or in the format that the policy names.
SIGHUP reads the policy again; if it is not valid, the one in force stays. \`bouheki apply\` puts another file in force,
\`bouheki rollback\` takes back what is in force.
Enforcement ends with this process, unless the policy has on_exit: keep: then the kernel goes on by itself until the next
start takes over, or \`bouheki detach\` ends it. Closing the terminal that started it is no SIGHUP.
A reader of the output cannot stall enforcement. Lines that cannot be written are kept, up to 1 MiB, then dropped and
counted: the log has a line where some are missing, and \`bouheki status\` reports it.
Where a rule names container or image and exe, a separate process reads the files of those containers.
Exit status: 0 ended by a signal, 1 the pre-flight has found a reason not to block, 2 trouble, also when recording failed and enforcement went on.`;

type Options = EnforceOptions & DryRunOptions & { dryRun: boolean };

/** Without a policy that is named, the fleet says which one is in force and how. */
function requireNothingOfAFile(options: Options): void {
  const { confirmWithin, dryRun, force, guardKey, mode, preflight, shadow } = options;
  const about = {
    mode,
    confirmWithin,
    guardKey,
    shadow,
    dryRun: dryRun || undefined,
    force: force || undefined,
  };
  const given = Object.entries(about).find(([, value]) => value !== undefined)?.[0];
  if (given === undefined && preflight !== false) return;
  const name = (given ?? 'noPreflight').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new BouhekiError('usage', `--${name} is about a policy, and none is named`, {
    remedy: 'name a policy file, or leave the option out: the fleet says what is in force',
  });
}

/** `bouheki enforce POLICY`: judge every connection, and record it. */
export function enforceCommand(): Command {
  const command = new Command('enforce')
    .argument(
      '[policy]',
      'the policy file; without it a host that has joined a fleet enforces what its hubs say',
    )
    .addOption(new Option('--mode <mode>', 'instead of the mode in the policy').choices(['monitor', 'block']))
    .option(
      '--backstop',
      'also drop packets, as they leave, to addresses that the policy denies to all subjects or allows to none: those that come from address translation and raw sockets. Addresses that the host translates to then need rules of their own',
    )
    .addOption(confirmOption('nothing is blocked any more: the policy goes on in monitor mode'))
    .addOption(
      new Option(
        '--breaker <n/min>',
        'monitor a subject that is denied more often than that, until `bouheki rearm` or another policy. Whoever may run a program can open it so',
      ).argParser(parseBreaker),
    )
    .option(
      '--guard-key <file>',
      'keep other processes, of root too, from undoing a policy with on_exit: keep, unless they give the key in this file',
    )
    .option(
      '--shadow <policy>',
      'count what this policy would deny and allow beside the one in force; `bouheki status` has the counts. It blocks nothing',
    )
    .option(
      '--dry-run',
      'only look at what blocking would do here; nothing is attached, recorded or blocked',
      false,
    )
    .option('--force', 'block whatever the pre-flight finds', false)
    .option('--no-preflight', 'block without looking at anything first')
    .addOption(sinceOption('what the pre-flight replays of the record; a week by default: from when on'))
    .option('--json', 'with --dry-run: print the findings as JSON', false)
    .addOption(databaseOption());
  for (const option of recorderOptions()) command.addOption(option);
  return command.addHelpText('after', HELP).action(async (file: string | undefined, options: Options) => {
    if (file === undefined) requireNothingOfAFile(options);
    if (file !== undefined && options.dryRun) {
      const { dryRun } = await import('./preflight/dry-run.ts');
      await dryRun(file, options);
      return;
    }
    if (options.json) {
      throw new BouhekiError('usage', '--json is for --dry-run alone', {
        remedy: 'add --dry-run, or leave --json out: the format of the log is in the policy',
      });
    }
    if (options.guardKey !== undefined && options.breaker !== undefined) {
      throw new BouhekiError(
        'usage',
        '--breaker opens what is denied often, which --guard-key is to prevent',
        {
          remedy: 'leave one of them out',
        },
      );
    }
    if (options.watch === true && process.stdout.isTTY !== true) {
      throw new BouhekiError('usage', '--watch is for a terminal: standard output is the log', {
        remedy: 'leave --watch out, and run `bouheki watch` beside it',
      });
    }
    // Not before: its help needs neither the kernel side nor the database.
    const { enforce } = await import('./run/enforce.ts');
    await enforce(file, options);
  });
}
