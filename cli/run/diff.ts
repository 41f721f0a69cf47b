import { readPolicy } from '../option/policy-reader.ts';
import { jsonDocument } from '../terminal/json-document.ts';
import { visible } from '../../error/visible.ts';
import { BouhekiError } from '../../error/error.ts';
import { formatChange } from '../../policy/analysis/change.ts';
import { type Difference, diffPolicies, widens } from '../../policy/analysis/diff.ts';
import { TooIntricate } from '../../policy/value/name-class.ts';
import type { Policy } from '../../policy/meaning/policy.ts';

/** What `diff` was asked for, as commander hands it over. */
export interface DiffOptions {
  wideningOnly: boolean;
  json: boolean;
}

/** Prints how two policies differ in meaning. */
export async function diff(
  before: string,
  after: string,
  { wideningOnly, json }: DiffOptions,
): Promise<void> {
  const difference = compare(await readPolicy(before), await readPolicy(after));
  if (wideningOnly) difference.lost = [];
  const wider = widens(difference);
  if (wideningOnly && difference.mode?.after === 'block') delete difference.mode;
  if (wideningOnly && difference.onExit?.after === 'keep') delete difference.onExit;
  process.stdout.write(json ? jsonDocument('diff', { ...difference, widens: wider }) : text(difference));
  const { gained, lost, mode, onExit } = difference;
  if (gained.length + lost.length > 0 || mode !== undefined || onExit !== undefined) {
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

function text({ gained, lost, mode, onExit }: Difference): string {
  const lines = [
    ...(mode ? [`~ mode: ${mode.before} -> ${mode.after}`] : []),
    ...(onExit ? [`~ on_exit: ${onExit.before} -> ${onExit.after}`] : []),
    ...gained.map((change) => `+ ${formatChange(change)}`),
    ...lost.map((change) => `- ${formatChange(change)}`),
  ];
  return lines.map((line) => `${visible(line)}\n`).join('');
}
