import { visible } from '../../../../error/visible.ts';
import { formatChange, formatSubject } from '../../../../policy/analysis/change.ts';
import { type Difference, diffPolicies } from '../../../../policy/analysis/diff.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import type { Policy } from '../../../../policy/meaning/policy.ts';
import { TooIntricate } from '../../../../policy/value/name-class.ts';

/** How a policy differs in meaning from the text of the one before, a line each: `+` is allowed newly, `-` no more. */
export function describeWidening(before: string, after: Policy): string {
  const { policy } = parsePolicy(before, 'the policy in force');
  if (!policy) return '  it is no policy that this version can read\n';
  try {
    return linesOf(diffPolicies(policy, after))
      .map((line) => `  ${visible(line)}\n`)
      .join('');
  } catch (error) {
    if (error instanceof TooIntricate) return '  the two are too intricate to compare\n';
    throw error;
  }
}

function linesOf({ gained, lost, mode, modes, onExit }: Difference): string[] {
  const lines = [
    ...(mode ? [`~ mode: ${mode.before} -> ${mode.after}`] : []),
    ...(modes?.monitor ?? []).map((from) => `~ only monitored: ${formatSubject(from)}`),
    ...(modes?.block ?? []).map((from) => `~ blocked: ${formatSubject(from)}`),
    ...(onExit ? [`~ on_exit: ${onExit.before} -> ${onExit.after}`] : []),
    ...gained.map((change) => `+ ${formatChange(change)}`),
    ...lost.map((change) => `- ${formatChange(change)}`),
  ];
  return lines.length === 0 ? ['they mean the same'] : lines;
}
