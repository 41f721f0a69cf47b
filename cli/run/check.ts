import { remarksOn } from '../option/policy-finding.ts';
import { jsonDocument } from '../terminal/json-document.ts';
import { visible } from '../../error/visible.ts';
import { diffPolicies } from '../../policy/analysis/diff.ts';
import { type Parsed, parsePolicy } from '../../policy/file/parse.ts';
import { describeModes } from '../../policy/meaning/mode.ts';
import type { Policy } from '../../policy/meaning/policy.ts';
import { renderProblem, type Problem } from '../../policy/file/problem.ts';
import { upgradePolicy } from '../../policy/file/edit/upgrade.ts';
import { parseText, readPolicyText } from '../option/policy-file.ts';
import { warnAtOnce } from '../option/policy-reader.ts';

/** What `check` was asked for, as commander hands it over. */
export interface CheckOptions {
  upgrade: boolean;
  json: boolean;
}

/** Prints the problems of a policy, or the policy as version 2. */
export async function check(file: string, { json, upgrade }: CheckOptions): Promise<void> {
  const text = readPolicyText(file);
  if (upgrade) printUpgraded(text, file);
  else await printProblems(text, file, json);
}

async function printProblems(text: string, file: string, json: boolean): Promise<void> {
  const parsed = parsePolicy(text, file);
  const hasWildcards = parsed.policy?.boxes.some(({ to }) => to.names?.some((name) => name.startsWith('*.')));
  const list = hasWildcards ? await import('./public-suffix.ts') : undefined;
  const problems = remarksOn(parsed, list?.suffixes.isPublicBelow);
  if (json) {
    const valid = parsed.policy !== undefined;
    process.stdout.write(jsonDocument('check', { file, valid, problems }));
  } else for (const problem of problems) process.stdout.write(`${renderProblem(problem, text)}\n`);
  process.stderr.write(`${visible(summary(parsed, problems, file))}\n`);
  if (!parsed.policy) process.exitCode = 2;
  else if (problems.length > 0) process.exitCode = 1;
}

function summary({ policy }: Parsed, problems: readonly Problem[], file: string): string {
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  const warnings = problems.length - errors;
  const counts = [count(errors, 'error'), count(warnings, 'warning')].filter(Boolean).join(', ');
  if (!policy) return `${file}: ${counts}`;
  const rules = `version ${policy.version}, ${describeModes(policy)}, ${count(rulesIn(policy), 'rule') || 'no rules'}`;
  return `${file}: ${rules}: ${counts || 'nothing to say'}`;
}

/** A rule with several destinations is a box for each, and they have its name. */
function rulesIn({ boxes }: Policy): number {
  return new Set(boxes.map(({ action, name }) => `${action} ${name}`)).size;
}

function count(number: number, noun: string): string {
  return number === 0 ? '' : `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function printUpgraded(text: string, file: string): void {
  const before = parseText(text, file, warnAtOnce);
  if (before.version === 2) {
    process.stderr.write(`${visible(file)} is of version 2 already\n`);
    process.stdout.write(text);
    return;
  }
  const upgraded = upgradePolicy(text);
  assertSameMeaning(before, upgraded, file);
  process.stdout.write(upgraded);
}

/** What is written is read back and compared, so that no upgrade can widen in silence. */
function assertSameMeaning(before: Policy, upgraded: string, file: string): void {
  const { policy, problems } = parsePolicy(upgraded, `${file} (upgraded)`);
  if (!policy) throw new Error(`the upgrade is no policy: ${problems[0]?.message}`);
  const { gained, lost, mode, modes } = diffPolicies(before, policy);
  if (gained.length + lost.length > 0 || mode || modes) throw new Error('the upgrade means something else');
}
