import { Command } from 'commander';
import type { CheckOptions } from './run/check.ts';

const HELP = `
Examples:
  $ bouheki check policy.yaml
  $ bouheki check policy.yaml --json
  $ bouheki check old.yaml --upgrade > policy.yaml

Reports errors with line and column. In a policy without errors it also reports likely
mistakes: rules that never decide, rules that any process can meet by renaming itself,
wide prefixes, wildcards below which anybody can have a name, raw and packet sockets
without a program, and no access to loopback or to this host's name servers.
Exit status: 0 nothing to report, 1 warnings, 2 errors.`;

/** `bouheki check POLICY`: errors, then lint. */
export function checkCommand(): Command {
  return new Command('check')
    .argument('<policy>', 'the policy file, - for standard input')
    .option('--upgrade', 'write the policy as version 2, with the same meaning and its comments', false)
    .option('--json', 'print the problems as JSON', false)
    .addHelpText('after', HELP)
    .action(async (file: string, options: CheckOptions) => {
      const { check } = await import('./run/check.ts');
      await check(file, options);
    });
}
