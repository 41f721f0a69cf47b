import { jsonDocument } from './terminal/json-document.ts';
import { visible } from '../error/visible.ts';
import { Command } from 'commander';
import { BouhekiError } from '../error/error.ts';
import { formatChange } from '../policy/analysis/change.ts';
import { type Difference, diffPolicies, widens } from '../policy/analysis/diff.ts';
import { TooIntricate } from '../policy/value/name-class.ts';
import type { Policy } from '../policy/meaning/policy.ts';
import { readPolicy } from './option/policy-reader.ts';

interface Options {
  wideningOnly: boolean;
  json: boolean;
}

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
    .action(async (before: string, after: string, options: Options) => {
      run(await readPolicy(before), await readPolicy(after), options);
    });
}

function run(before: Policy, after: Policy, { wideningOnly, json }: Options): void {
  const difference = compare(before, after);
  if (wideningOnly) difference.lost = [];
  const wider = widens(difference);
  if (wideningOnly && difference.mode?.after === 'block') delete difference.mode;
  process.stdout.write(json ? jsonDocument('diff', { ...difference, widens: wider }) : text(difference));
  const changed = difference.gained.length + difference.lost.length > 0 || difference.mode !== undefined;
  if (changed) {
    const { gained, lost } = difference;
    const less = wideningOnly ? '' : `, ${lost.length} lost (-)`;
    process.stderr.write(`${gained.length} gained (+)${less} from the first policy to the second.\n`);
    process.exitCode = 1;
  } else process.stderr.write(wideningOnly ? 'Nothing is gained.\n' : 'The policies mean the same.\n');
}

function compare(before: Policy, after: Policy): Difference {
  try {
    return diffPolicies(before, after);
  } catch (error) {
    if (!(error instanceof TooIntricate)) throw error;
    throw new BouhekiError('policy', `cannot compare the policies: ${error.message}`, {
      remedy: 'compare them in smaller steps, or compare what `bouheki drift` reports for each',
      cause: error,
    });
  }
}

function text({ gained, lost, mode }: Difference): string {
  const lines = [
    ...(mode ? [`~ mode: ${mode.before} -> ${mode.after}`] : []),
    ...gained.map((change) => `+ ${formatChange(change)}`),
    ...lost.map((change) => `- ${formatChange(change)}`),
  ];
  return lines.map((line) => `${visible(line)}\n`).join('');
}
