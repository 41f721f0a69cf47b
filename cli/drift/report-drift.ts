import { driftOf } from '../../generator/drift/drift.ts';
import { unseenNames } from '../../generator/drift/unseen-name.ts';
import { type Parsed, parsePolicy } from '../../policy/file/parse.ts';
import { followLinks } from '../../policy/meaning/linked-path.ts';
import type { Policy } from '../../policy/meaning/policy.ts';
import { describeLinks, realPaths } from '../option/linked-path.ts';
import { warnAtOnce } from '../option/policy-reader.ts';
import { viewOf } from '../terminal/view.ts';
import { assess, type Assessment, type DriftOptions, rememberAll } from './assess.ts';
import { RENDERERS } from './format/renderer.ts';
import { type DriftReport, reportOf } from './format/report.ts';
import { suggestPolicy } from './suggest-policy.ts';
import { describeUnseen, summary } from './summary.ts';

/** Prints how the record and a policy differ. */
export async function reportDrift(file: string, options: DriftOptions): Promise<void> {
  const assessment = await assess(file, options, warnAtOnce);
  const { comparison, evidence, naming, selection, text } = assessment;
  if (options.suggest) {
    const observations = [...evidence.past, ...evidence.observations];
    suggestPolicy(options.accept, selection.findings, {
      text,
      comparison,
      observations,
      naming,
      read: readText,
    });
    return;
  }
  printReport(file, options, assessment);
  if (options.since === 'last') rememberAll(file, options, assessment);
}

/** Prints what was found, and ends with 1 for findings of the kinds that are asked for. */
export function printReport(
  file: string,
  options: Pick<DriftOptions, 'failOn' | 'format' | 'groupBy' | 'json' | 'limit' | 'wide'>,
  assessment: Omit<Assessment, 'text' | 'naming' | 'all' | 'since'> & Pick<DriftReport, 'outliers'>,
): void {
  const { changes, comparison, evidence, links, outliers, parsed, policy, selection } = assessment;
  const { acknowledged, findings } = selection;
  const shown = new Set(findings.flatMap(({ entries }) => entries));
  const drift = driftOf({ cases: comparison.cases.filter(({ entry }) => shown.has(entry)) });
  const report = reportOf(
    {
      policy: file,
      lines: linesOf(parsed),
      failing: new Set(options.failOn),
      drift,
      changes,
      acknowledged,
      findings,
      ...(outliers && { outliers }),
    },
    { by: options.groupBy, limit: options.limit },
  );
  const view = viewOf(process.stdout, options.wide);
  process.stdout.write(RENDERERS[options.json ? 'json' : options.format](report, view));
  const unseen = describeUnseen(unseenNames(policy, evidence.observations));
  process.stderr.write(`${describeLinks(links)}${summary(drift, selection, evidence)}${unseen}`);
  if (findings.some(({ kind }) => report.failing.has(kind))) process.exitCode = 1;
}

/** The policy that a changed text is, as this host has it; undefined where it is none. */
function readText(text: string): Policy | undefined {
  const { policy } = parsePolicy(text, 'the suggestion');
  return policy && followLinks(policy, realPaths).policy;
}

/** Where rules begin in the policy's text, by their names. */
function linesOf({ locationOf, policy }: Required<Parsed>): Map<string, number> {
  const lines = new Map<string, number>();
  for (const [index, { name }] of policy.boxes.entries()) {
    if (!lines.has(name)) lines.set(name, locationOf(index).line);
  }
  return lines;
}
