import { replaceUnsafe, visible } from '../../error/visible.ts';

/** A step into a YAML document: a key, or an index of a list. */
export type Path = readonly (string | number)[];

/** Something wrong (`error`) or questionable (`warning`) in a policy file. */
export interface Problem {
  severity: 'error' | 'warning';
  /** The name of the file as the caller gave it. */
  file: string;
  /** From 1. */
  line: number;
  /** From 1, in UTF-16 code units. */
  column: number;
  /** Where in the document: `network.allow[0].to[0].cidr[3]`; empty for the document itself. */
  path: string;
  message: string;
  /** What to do about it. */
  help?: string;
}

/** `policy.yaml:6:17: error: message`, the line with a caret under the place, and what to do. */
export function renderProblem(problem: Problem, source: string): string {
  const { severity, file, line, column, message, help } = problem;
  const text = source.split('\n', line)[line - 1] ?? '';
  // A window of the line, so that neither a minified file nor a control character can flood or drive a
  // terminal.
  const start = Math.max(0, column - 61);
  const shown = printable(text.slice(start, start + 100));
  const caret = ' '.repeat(Math.max(0, column - 1 - start));
  const lines = [
    `${visible(file)}:${line}:${column}: ${severity}: ${printable(message)}`,
    `  ${shown}`,
    `  ${caret}^`,
  ];
  if (help !== undefined) lines.push(`  help: ${printable(help)}`);
  return lines.join('\n');
}

/** One character for one, so that a caret below still points at its place. */
function printable(text: string): string {
  return replaceUnsafe(text.replaceAll('\t', ' '), ({ length }) => '\ufffd'.repeat(length));
}

/** `network.allow[0].to`. */
export function formatPath(path: Path): string {
  return path
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : index === 0 ? step : `.${step}`))
    .join('');
}

/** The candidate that `word` most probably means: at most two edits away, or one third of its length. */
export function closestWord(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  // A key of a megabyte is no typo.
  if (word.length > 64) return undefined;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance && distance < candidate.length) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, deletions, replacements and swaps of neighbours that make `b` of `a`. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, beforeLast[j - 2]! + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
