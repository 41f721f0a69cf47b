import { visible } from '../../error/visible.ts';
import { BouhekiError } from '../../error/error.ts';
import { formatCount } from '../../format/number.ts';
import { FINDING_KINDS } from '../../generator/drift/finding/finding.ts';
import { suggest, type SuggestionInput } from '../../generator/drift/finding/suggest.ts';
import { FLAT_KEYS } from '../../policy/file/document.ts';
import { listOf, networkOf } from '../../policy/file/edit/append.ts';
import type { Reported } from './format/identify.ts';

/**
 * Prints the policy with the smallest change that settles the findings that are accepted, by id or kind, and says what it
 * settles. Ends with 1 where something is left. Throws BouhekiError `usage` for a policy without rules to change, and
 * where what is accepted is not found.
 */
export function suggestPolicy(
  accept: readonly string[] | undefined,
  findings: readonly Reported[],
  input: SuggestionInput,
): void {
  refuseLayout(input.text);
  const accepted = acceptedOf(accept, findings);
  const { left, settled, text } = suggest(accepted, input);
  process.stdout.write(text);
  const lines = [
    `Settled: ${formatCount(settled.length, 'finding')} of ${accepted.length} accepted, ${findings.length} in all.`,
    ...left.map(
      ({ finding, reason }) => `Left: ${finding.id} ${finding.subject}, ${finding.destination}: ${reason}.`,
    ),
  ];
  process.stderr.write(`${lines.map(visible).join('\n')}\n`);
  if (left.length > 0) process.exitCode = 1;
}

/** Nothing is allowed that nobody has accepted. */
function acceptedOf(accept: readonly string[] | undefined, findings: readonly Reported[]): Reported[] {
  if (accept === undefined) {
    throw new BouhekiError('usage', 'nothing is accepted that could be settled', {
      remedy: `Add --accept with ids of findings, or kinds (${FINDING_KINDS.map(wordOf).join(', ')}), or all.`,
    });
  }
  for (const word of accept) {
    if (word !== 'all' && !findings.some((finding) => isMeant(word, finding))) {
      throw new BouhekiError('usage', `no finding is accepted by ${word}`, {
        remedy: 'Give ids or kinds as the report has them now, or all.',
      });
    }
  }
  return findings.filter((finding) => accept.some((word) => word === 'all' || isMeant(word, finding)));
}

function isMeant(word: string, { id, kind }: Reported): boolean {
  return word === id || word === wordOf(kind);
}

function wordOf(kind: string): string {
  return kind.replaceAll(' ', '-');
}

function refuseLayout(text: string): void {
  const network = networkOf(text);
  const flat = FLAT_KEYS.some((key) => network?.has(key));
  if (!flat && network?.flow !== true && listOf(text, 'allow') !== undefined) return;
  throw new BouhekiError('usage', 'the policy has no rules that could be changed', {
    remedy: 'Write it as YAML of version 2 with a list of rules that are allowed.',
  });
}
