import { Command } from 'commander';
import type { DiffOptions } from './run/diff.ts';

const HELP = `
Examples:
  $ bouheki diff policy.yaml candidate.yaml
  $ bouheki diff policy.yaml candidate.yaml --widening-only
  $ bouheki diff old.yaml new.yaml --json

Compares what the policies allow, not how they are written: + is allowed by the second
only, - by the first only. Names, order and the log are no difference; the mode is.
Exit status: 0 same meaning, 1 different (with --widening-only: wider), 2 trouble.`;

/** `bouheki diff A B`: the difference in meaning. */
export function diffCommand(): Command {
  return new Command('diff')
    .argument('<before>', 'a policy file')
    .argument('<after>', 'another policy file')
    .option('--widening-only', 'show only what the second allows and the first does not', false)
    .option('--json', 'print the difference as JSON', false)
    .addHelpText('after', HELP)
    .action(async (before: string, after: string, options: DiffOptions) => {
      const { diff } = await import('./run/diff.ts');
      await diff(before, after, options);
    });
}
