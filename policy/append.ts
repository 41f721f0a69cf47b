import { isMap, isSeq, parseDocument, type Node, type YAMLMap, type YAMLSeq } from 'yaml';
import type { RuleDocument, ToDocument } from './document.ts';
import type { From } from './policy.ts';
import { printPolicy, printRule } from './print.ts';

/** A rule to add: more destinations for a rule that the file has, or a rule of its own, as one with `sockets` always is. */
export type Addition = RuleDocument & { from: NonNullable<RuleDocument['from']> };

/**
 * The text of a version 2 policy with more allow rules. All that is there keeps its bytes: destinations for subjects that
 * a rule names already go to the end of the first such rule's `to`, other rules to the end of `allow`. `text` must parse.
 */
export function appendAllows(text: string, additions: readonly Addition[]): string {
  let result = text;
  // One after the other, each on the text that the one before left.
  for (const addition of additions) result = appendAllow(result, addition);
  return result;
}

function appendAllow(text: string, addition: Addition): string {
  const allow = allowOf(text);
  const rule = allow.items.find((item) => isMap(item) && sameFrom(item, addition.from));
  const to = isMap(rule) ? rule.get('to', true) : undefined;
  if (isSeq(to) && addition.to && !addition.sockets) {
    return addition.to.reduce((current, entry, index) => {
      // Places move with each entry, so the list is looked up again.
      const list = index === 0 ? (to as YAMLSeq<Node>) : listOf(current, addition.from);
      return appendItem(current, list, renderTo(entry), inlineTo(entry));
    }, text);
  }
  return appendItem(text, allow, renderRule(addition), printRule(addition).slice(2));
}

function allowOf(text: string): YAMLSeq<Node> {
  const network = parseDocument(text).get('network', true) as unknown as YAMLMap;
  return network.get('allow', true) as unknown as YAMLSeq<Node>;
}

function listOf(text: string, from: Addition['from']): YAMLSeq<Node> {
  const rule = allowOf(text).items.find((item) => isMap(item) && sameFrom(item, from)) as YAMLMap;
  return rule.get('to', true) as unknown as YAMLSeq<Node>;
}

/** Whether a rule names exactly these subjects, in any order. */
function sameFrom(rule: YAMLMap, from: Addition['from']): boolean {
  const node = rule.get('from', true) as unknown;
  if (!isMap(node)) return false;
  const theirs = node.toJSON() as From;
  return keyOf(theirs) === keyOf(from as From);
}

function keyOf(from: From): string {
  const lists = Object.entries(from).map(([key, list]) => [key, list.map(String).sort()] as const);
  return JSON.stringify(lists.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Adds an item at the end of a list: as lines (which begin at column 0) to a block, as text to a flow list. */
function appendItem(text: string, list: YAMLSeq<Node>, lines: readonly string[], inline: string): string {
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
  const close = text.lastIndexOf(']', end - 1);
  const before = text.slice(0, close).trimEnd();
  return `${before}${before.endsWith(',') ? '' : ','} ${inline}${text.slice(close)}`;
}

/** The place after the line break of the line that holds `at`. */
function endOfLine(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  return end < 0 ? text.length : end + 1;
}

function indent(lines: readonly string[], column: number): string {
  return lines.map((line) => `${' '.repeat(column)}${line}\n`).join('');
}

/** The lines of a rule as it stands in a list, from column 0. */
function renderRule(rule: RuleDocument): string[] {
  const lines = printPolicy({ mode: 'block', target: 'host', allow: [rule] })
    .trimEnd()
    .split('\n');
  return lines.slice(lines.indexOf('  allow:') + 1).map((line) => line.slice(4));
}

function renderTo(entry: ToDocument): string[] {
  const lines = renderRule({ to: [entry] });
  return lines.slice(1).map((line) => line.slice(4));
}

function inlineTo(entry: ToDocument): string {
  const rule = printRule({ to: [entry] });
  return rule.slice(rule.indexOf('[') + 1, rule.lastIndexOf(']'));
}
