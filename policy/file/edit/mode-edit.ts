import { type Node, type YAMLMap } from 'yaml';
import { plainLines } from '../../../format/line-end.ts';
import type { Mode } from '../../meaning/policy.ts';
import { commentOf } from '../comment.ts';
import type { ModeDocument } from '../document.ts';
import { printFrom, printPolicy, printRule } from '../print.ts';
import { appendItem, insertAbove, listOf, networkOf, subjectOf } from './append.ts';

/** A mode entry to add, with what stands above it. */
export type ModeAddition = Required<ModeDocument> & { comment: string };

/**
 * The text of a version 2 policy with these entries at the end of `modes`, which is made where it is missing. All that is
 * there keeps its bytes. `text` must parse, and its `network` be in the block style.
 */
export function appendModes(text: string, additions: readonly ModeAddition[]): string {
  const lines = plainLines(text);
  let result = lines.text;
  for (const addition of additions) result = appendMode(result, addition);
  return lines.restore(result);
}

function appendMode(text: string, addition: ModeAddition): string {
  const comment = `# ${commentOf([addition.comment])}`;
  const lines = [comment, ...renderMode(addition)];
  const list = listOf(text, 'modes');
  if (list === undefined) return insertAbove(text, ['modes:', ...lines.map((line) => `  ${line}`)]);
  return appendItem(text, list, lines, [comment, inlineMode(addition)]);
}

/** An entry as it stands in a list in braces. */
function inlineMode({ from, mode, name }: ModeAddition): string {
  const named = printRule({ name });
  return `${named.slice(named.indexOf('{'), -2)}, from: ${printFrom(from)}, mode: ${mode} }`;
}

/** The lines of an entry as it stands in the list, from column 0. */
function renderMode({ from, mode, name }: ModeDocument & { name: string }): string[] {
  const text = printPolicy({
    mode: 'monitor',
    modes: [{ from, mode, name }],
    target: 'host',
    allow: [],
  });
  const lines = text.split('\n');
  return lines
    .slice(lines.indexOf('  modes:') + 1, lines.indexOf('  target: host'))
    .map((line) => line.slice(4));
}

/** The text in which the mode entry of this place says another mode. */
export function changeMode(text: string, entry: number, mode: Mode): string {
  const map = listOf(text, 'modes')!.items[entry] as YAMLMap;
  return replaceScalar(text, map.get('mode', true) as unknown as Node, mode);
}

/** The text in which `network.mode` is another one. */
export function changeWholeMode(text: string, mode: Mode): string {
  const written = networkOf(text)!.get('mode', true) as unknown as Node | undefined;
  return written === undefined ? insertAbove(text, [`mode: ${mode}`]) : replaceScalar(text, written, mode);
}

/** What each mode entry of a file says of its subjects, to be compared: see `subjectText`. */
export function modeSubjects(text: string): string[] {
  return (listOf(text, 'modes')?.items ?? []).map((item) => subjectOf(item as YAMLMap));
}

function replaceScalar(text: string, { range }: Node, value: string): string {
  return `${text.slice(0, range![0])}${value}${text.slice(range![1])}`;
}
