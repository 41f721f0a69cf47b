import { BouhekiError } from '../../error/error.ts';
import type { RuleDocument } from '../../policy/file/document.ts';
import { compileEvaluator } from '../../policy/meaning/evaluator.ts';
import { parsePolicy } from '../../policy/file/parse.ts';
import type { Flow } from '../../policy/meaning/policy.ts';
import { printRule } from '../../policy/file/print.ts';

/**
 * A destination that a person decided to leave out without a deny rule, so that no merge offers it again: a
 * rule in a comment at the head of the policy, `# ignored: { from: { exe: [/usr/bin/curl] }, to: [{ cidr:
 * [192.0.2.1/32] }] }`. To have it offered again, remove the line.
 */
const IGNORED = /^# ignored: (.*)$/gm;

/** Whether a flow was left out by decision. Throws BouhekiError `policy` for a line that is no rule. */
export function ignoredBy(text: string): (flow: Flow) => boolean {
  const rules = [...text.matchAll(IGNORED)].map(([, rule]) => rule!);
  if (rules.length === 0) return () => false;
  const list = rules.map((rule) => `    - ${rule}\n`).join('');
  const { policy, problems } = parsePolicy(`version: 2\nnetwork:\n  allow:\n${list}`, 'ignored');
  const fault = problems.find(({ severity }) => severity === 'error');
  if (policy === undefined) {
    const line = rules[(fault?.line ?? 0) - 4] ?? rules[0]!;
    throw new BouhekiError('policy', `the comment "# ignored: ${line}" is no rule: ${fault?.message}`, {
      remedy: 'Mend or remove it.',
    });
  }
  const judge = compileEvaluator(policy);
  return (flow) => judge(flow).action === 'allow';
}

/**
 * The text with one more decision in the comment at its head: with those for the same subjects, where there
 * are any.
 */
export function withIgnored(text: string, rule: RuleDocument): string {
  const from = printRule({ ...(rule.from && { from: rule.from }) }).slice(4, -2);
  const start = from === '' ? '# ignored: { to: [' : `# ignored: { ${from}, to: [`;
  const end = '] }';
  const known = text.split('\n').find((line) => line.startsWith(start) && line.endsWith(end));
  const line = `# ignored: ${printRule(rule).slice(2)}`;
  if (known === undefined || !line.startsWith(start)) {
    // Above the first line that is no comment.
    const at = /^(?!#)/m.exec(text)?.index ?? 0;
    return `${text.slice(0, at)}${line}\n${text.slice(at)}`;
  }
  const entry = line.slice(start.length, -end.length);
  if (known.includes(entry)) return text;
  return text.replace(known, () => `${known.slice(0, -end.length)}, ${entry}${end}`);
}
