import { isMap, isSeq, parseDocument, type Node, type YAMLMap, type YAMLSeq } from 'yaml';
import type { RuleDocument, ToDocument } from '../document.ts';
import { plainLines } from '../../../format/line-end.ts';
import type { Action, From } from '../../meaning/policy.ts';
import { printPolicy, printRule } from '../print.ts';

/**
 * A rule to add: more destinations for a rule that the file has, or a rule of its own, as one with `sockets`
 * always is.
 */
export type Addition = RuleDocument & { from: NonNullable<RuleDocument['from']> };

/**
 * The text of a version 2 policy with more rules. All that is there keeps its bytes: destinations for
 * subjects that a rule without an end names already go to the end of the first such rule's `to`, below the rule's comment
 * (of a deny rule also of the same name), other rules to the end of the list, which is made where it is
 * missing. What has a comment goes to no `to` in flow style, but into a rule of its own: the comment has its
 * place above it. `text` must parse, and its `network` be in the block style.
 */
export function appendRules(text: string, action: Action, additions: readonly Addition[]): string {
  const lines = plainLines(text);
  let result = lines.text;
  // One after the other, each on the text that the one before left.
  for (const addition of additions) result = appendRule(result, action, addition);
  return lines.restore(result);
}

function appendRule(text: string, action: Action, addition: Addition): string {
  const allow = listOf(text, action);
  if (allow === undefined) {
    return insertAbove(text, [`${action}:`, ...renderRule(addition).map((line) => `  ${line}`)]);
  }
  const unfolded =
    addition.comment === undefined ? text : withUnfoldedTo(text, toOf(allow, action, addition));
  if (unfolded !== text) return appendRule(unfolded, action, addition);
  const to = toOf(allow, action, addition);
  if (to && addition.to && !addition.sockets && !(to.flow && addition.comment)) {
    return addition.to.reduce((current, entry, index) => {
      // Places move with each entry, so the list is looked up again.
      const list = index === 0 ? to : toOf(listOf(current, action)!, action, addition)!;
      const lines = renderTo({ ...(addition.comment && { comment: addition.comment }), ...entry });
      return appendItem(current, list, lines, [inlineTo(entry)]);
    }, text);
  }
  const above = addition.comment?.split('\n').map((line) => `# ${line}`) ?? [];
  return appendItem(text, allow, renderRule(addition), [...above, printRule(addition).slice(2)]);
}

/**
 * The text in which one destination that stands on the line of its `to:` has a line of its own, so that there is room for
 * comments; any other text as it is.
 */
function withUnfoldedTo(text: string, to: YAMLSeq<Node> | undefined): string {
  if (!to?.flow || to.items.length !== 1) return text;
  const [start, end] = to.range!;
  const lineStart = text.lastIndexOf('\n', start) + 1;
  const lineEnd = endOfLine(text, end - 1);
  const [, column, key] = /^( *)(to: )$/.exec(text.slice(lineStart, start)) ?? [];
  const behind = text.slice(end, lineEnd).trim();
  if (column === undefined || key === undefined || text.slice(start, end).includes('\n') || behind !== '')
    return text;
  const item = text.slice(start + 1, end - 1).trim();
  return `${text.slice(0, lineStart)}${column}to:\n${column}  - ${item}\n${text.slice(lineEnd)}`;
}

/** The rules of one kind, or the mode entries; undefined where the policy has no such list. */
export function listOf(text: string, key: Action | 'modes'): YAMLSeq<Node> | undefined {
  const list = networkOf(text)?.get(key, true) as unknown;
  return isSeq(list) ? (list as YAMLSeq<Node>) : undefined;
}

/** The text that was parsed last: an edit looks at the same one many times, and changes nothing in what was parsed. */
let parsed: { text: string; network: YAMLMap | undefined } | undefined;

/** What is below `network`, to be read only; undefined where that is no map. */
export function networkOf(text: string): YAMLMap | undefined {
  if (parsed?.text !== text) {
    const network = parseDocument(text).get('network', true) as unknown;
    parsed = { text, network: isMap(network) ? network : undefined };
  }
  return parsed.network;
}

/** A key of `network` that is missing, as lines from column 0, goes above `allow`. */
export function insertAbove(text: string, lines: readonly string[]): string {
  const { key } = networkOf(text)!.items.find((pair) => String(pair.key) === 'allow')!;
  const start = text.lastIndexOf('\n', (key as Node).range![0]) + 1;
  return text.slice(0, start) + indent(lines, (key as Node).range![0] - start) + text.slice(start);
}

/** The destinations of the rule that an addition belongs to. */
function toOf(list: YAMLSeq<Node>, action: Action, { from, name }: Addition): YAMLSeq<Node> | undefined {
  const rule = list.items.find(
    (item) =>
      isMap(item) &&
      // What is added is not to end with it.
      !item.has('until') &&
      sameFrom(item, from) &&
      (action === 'allow' || item.get('name') === name),
  );
  const to = isMap(rule) ? (rule.get('to', true) as unknown) : undefined;
  return isSeq(to) ? (to as YAMLSeq<Node>) : undefined;
}

/** Whether a rule names exactly these subjects, in any order. */
function sameFrom(rule: YAMLMap, from: Addition['from']): boolean {
  return subjectOf(rule) === subjectText(from as From);
}

/** The subjects of a rule or a mode entry, as `subjectText` writes them. */
export function subjectOf(entry: YAMLMap): string {
  const node = entry.get('from', true) as unknown;
  return subjectText(isMap(node) ? (node.toJSON() as From) : {});
}

/** Equal for equal subjects, whatever the order of their lists. */
export function subjectText(from: From): string {
  const lists = Object.entries(from).map(([key, list]) => [key, list.map(String).sort()] as const);
  return JSON.stringify(lists.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * Adds an item at the end of a list: as lines (which begin at column 0) to a block, as `inline` to a flow
 * list, the last line of which is the item and the others comments above it.
 */
export function appendItem(
  text: string,
  list: YAMLSeq<Node>,
  lines: readonly string[],
  inline: readonly string[],
): string {
  const [start, end] = list.range!;
  const last = list.items.at(-1);
  if (!list.flow && last) {
    const itemStart = last.range![0];
    const dash = text.lastIndexOf('-', itemStart - 1);
    const column = dash - (text.lastIndexOf('\n', dash) + 1);
    const lineEnd = endOfLine(text, Math.max(last.range![1], itemStart) - 1);
    const head = text.slice(0, lineEnd);
    return `${head}${head.endsWith('\n') ? '' : '\n'}${indent(lines, column)}${text.slice(lineEnd)}`;
  }
  if (last === undefined) {
    const lineStart = text.lastIndexOf('\n', start) + 1;
    const column = /^ */.exec(text.slice(lineStart))![0].length + 2;
    const lineEnd = endOfLine(text, end - 1);
    const comment = text.slice(end, lineEnd).trimEnd();
    return `${text.slice(0, start).trimEnd()}${comment === '' ? '' : ` ${comment.trim()}`}\n${indent(lines, column)}${text.slice(lineEnd)}`;
  }
  // Behind the comma that may follow, and a comment on the same line, which would swallow what stands after
  // it.
  const lastEnd = last.range![1];
  const [behind, note = ''] = /^[ \t]*,?[ \t]*(#[^\n]*)?/.exec(text.slice(lastEnd))!;
  const head = `${text.slice(0, lastEnd)},${note === '' ? '' : ` ${note}`}`;
  const tail = text.slice(lastEnd + (note === '' ? behind.trimEnd() : behind).length);
  if (inline.length === 1 && note === '') return `${head} ${inline[0]}${tail}`;
  const lineStart = text.lastIndexOf('\n', start) + 1;
  const column = /^[ -]*/.exec(text.slice(lineStart))![0].length + 2;
  return `${head}\n${indent(inline, column).trimEnd()}${tail}`;
}

/** The place after the line break of the line that holds `at`. */
export function endOfLine(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  return end < 0 ? text.length : end + 1;
}

export function indent(lines: readonly string[], column: number): string {
  return lines.map((line) => `${' '.repeat(column)}${line}\n`).join('');
}

/** The lines of a rule as it stands in a list, from column 0. */
function renderRule(rule: RuleDocument): string[] {
  const lines = printPolicy({ mode: 'block', target: 'host', allow: [rule] })
    .trimEnd()
    .split('\n');
  return lines.slice(lines.indexOf('  allow:') + 1).map((line) => line.slice(4));
}

export function renderTo(entry: ToDocument): string[] {
  const lines = renderRule({ to: [entry] });
  return lines.slice(1).map((line) => line.slice(4));
}

export function inlineTo(entry: ToDocument): string {
  const rule = printRule({ to: [entry] });
  return rule.slice(rule.indexOf('[') + 1, rule.lastIndexOf(']'));
}
