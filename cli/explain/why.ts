import type { Explanation } from '../../policy/analysis/explain.ts';
import type { Parsed } from '../../policy/file/parse.ts';
import { modeOf } from '../../policy/meaning/mode.ts';

/** Why a policy decides so, as members of a document. */
export function whyJson(
  { fix, nearest, reason, verdict }: Explanation,
  { locationOf, policy }: Required<Parsed>,
): object {
  const ruleOf = (box: number) => {
    const { line, column, path } = locationOf(box);
    return { rule: policy.boxes[box]!.name, place: { path, line, column } };
  };
  return {
    verdict: verdict.action,
    mode: modeOf(policy, verdict),
    ...(verdict.modeEntry !== undefined && { modeEntry: policy.modes![verdict.modeEntry]!.name }),
    reason,
    ...(verdict.box === undefined ? {} : ruleOf(verdict.box)),
    ...(nearest && { nearest: { ...ruleOf(nearest.box), ...nearest, box: undefined } }),
    ...(fix === undefined ? {} : { fix }),
  };
}

/** The same as lines for people: the verdict, the rule that comes nearest, and what would change a denial. */
export function whyLines({ fix, nearest, reason, verdict }: Explanation, parsed: Required<Parsed>): string[] {
  const { policy } = parsed;
  const monitored = verdict.action === 'deny' && modeOf(policy, verdict) === 'monitor';
  const where = verdict.box === undefined ? '' : ` (${placeText(verdict.box, parsed)})`;
  const lines = [
    `${monitored ? 'deny (monitor mode: recorded, not stopped)' : verdict.action}: ${reason}${where}`,
  ];
  if (verdict.modeEntry !== undefined) {
    const { mode, name } = policy.modes![verdict.modeEntry]!;
    const { column, file, line } = parsed.locationOfMode(verdict.modeEntry);
    lines.push(`mode: ${mode}, by "${name}" (${file}:${line}:${column})`);
  }
  if (nearest) {
    const { name } = policy.boxes[nearest.box]!;
    lines.push(`nearest: "${name}" (${placeText(nearest.box, parsed)}), but ${mismatchText(nearest)}`);
  }
  if (fix !== undefined) lines.push(`fix: ${fix}`);
  return lines;
}

/** `policy.yaml:9:7`: where a box begins. */
export function placeText(box: number, { locationOf }: Required<Parsed>): string {
  const { file, line, column } = locationOf(box);
  return `${file}:${line}:${column}`;
}

/** `not its port`; `its except takes the address out`; `not its port, and its except takes the address out`. */
function mismatchText({ ended, excepted, mismatches, names }: NonNullable<Explanation['nearest']>): string {
  const others = mismatches.filter((key) => !(excepted && key === 'cidr'));
  return [
    ...(others.length > 0 ? [`not its ${others.join(', ')}`] : []),
    ...(excepted ? ['its except takes the address out'] : []),
    ...(names === undefined ? [] : [names]),
    ...(ended ? ['it has ended'] : []),
  ].join(', and ');
}
