import { jsonDocument } from './terminal/json-document.ts';
import { visible } from '../error/visible.ts';
import { Command } from 'commander';
import { diffPolicies } from '../policy/analysis/diff.ts';
import { type Parsed, parsePolicy } from '../policy/file/parse.ts';
import type { Policy } from '../policy/meaning/policy.ts';
import { renderProblem, type Problem } from '../policy/file/problem.ts';
import { upgradePolicy } from '../policy/file/upgrade.ts';
import { findingsOf } from './option/policy-finding.ts';
import { parseText, readPolicyText } from './option/policy-file.ts';
import { warnAtOnce } from './option/policy-reader.ts';

const HELP = `
Examples:
  $ bouheki check policy.yaml
  $ bouheki check policy.yaml --json
  $ bouheki check old.yaml --upgrade > policy.yaml

Reports errors with line and column. In a policy without errors it also reports likely
mistakes: rules that never decide, rules that any process can meet by renaming itself,
wide prefixes, raw and packet sockets without a program, and no access to loopback or to
this host's name servers.
Exit status: 0 nothing to report, 1 warnings, 2 errors.`;

/** `bouheki check POLICY`: errors, then lint. */
export function checkCommand(): Command {
  return new Command('check')
    .argument('<policy>', 'the policy file, - for standard input')
    .option('--upgrade', 'write the policy as version 2, with the same meaning and its comments', false)
    .option('--json', 'print the problems as JSON', false)
    .addHelpText('after', HELP)
    .action((file: string, options: { upgrade: boolean; json: boolean }) => {
      const text = readPolicyText(file);
      if (options.upgrade) upgrade(text, file);
      else check(text, file, options.json);
    });
}

function check(text: string, file: string, json: boolean): void {
  const parsed = parsePolicy(text, file);
  const problems = [...parsed.problems, ...findingsOf(parsed)].sort(
    (a, b) => a.line - b.line || a.column - b.column,
  );
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
  const rules = `version ${policy.version}, ${policy.mode} mode, ${count(policy.boxes.length, 'rule') || 'no rules'}`;
  return `${file}: ${rules}: ${counts || 'nothing to say'}`;
}

function count(number: number, noun: string): string {
  return number === 0 ? '' : `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function upgrade(text: string, file: string): void {
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
  const { gained, lost, mode } = diffPolicies(before, policy);
  if (gained.length + lost.length > 0 || mode) throw new Error('the upgrade means something else');
}
