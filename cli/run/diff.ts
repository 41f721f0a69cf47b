import { readPolicy } from '../option/policy-reader.ts';
import { jsonDocument } from '../terminal/json-document.ts';
import { visible } from '../../error/visible.ts';
import { BouhekiError } from '../../error/error.ts';
import { formatChange, formatSubject } from '../../policy/analysis/change.ts';
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
  const wider = widens(difference);
  if (wideningOnly) leaveWidening(difference);
  process.stdout.write(json ? jsonDocument('diff', { ...difference, widens: wider }) : text(difference));
  const { gained, lost, mode, modes, onExit } = difference;
  if (gained.length + lost.length > 0 || (mode ?? modes ?? onExit) !== undefined) {
    const less = wideningOnly ? '' : `, ${lost.length} lost (-)`;
    process.stderr.write(`${gained.length} gained (+)${less} from the first policy to the second.\n`);
    process.exitCode = 1;
  } else process.stderr.write(wideningOnly ? 'Nothing is gained.\n' : 'The policies mean the same.\n');
}

/** Takes out what the second policy does not widen. */
function leaveWidening(difference: Difference): void {
  const { mode, modes, onExit } = difference;
  difference.lost = [];
  if (mode?.after === 'block') delete difference.mode;
  if (modes) modes.block = [];
  if (modes?.monitor.length === 0) delete difference.modes;
  if (onExit?.after === 'keep') delete difference.onExit;
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

function text({ gained, lost, mode, modes, onExit }: Difference): string {
  const lines = [
    ...(mode ? [`~ mode: ${mode.before} -> ${mode.after}`] : []),
    ...(modes?.monitor ?? []).map((from) => `~ mode of ${formatSubject(from)}: block -> monitor`),
    ...(modes?.block ?? []).map((from) => `~ mode of ${formatSubject(from)}: monitor -> block`),
    ...(onExit ? [`~ on_exit: ${onExit.before} -> ${onExit.after}`] : []),
    ...gained.map((change) => `+ ${formatChange(change)}`),
    ...lost.map((change) => `- ${formatChange(change)}`),
  ];
  return lines.map((line) => `${visible(line)}\n`).join('');
}
