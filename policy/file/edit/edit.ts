import { isMap, isSeq, Lexer, type Node, type YAMLMap, type YAMLSeq } from 'yaml';
import { endOfLine, indent, inlineTo, listOf, renderTo } from './append.ts';
import type { RuleDocument, ToDocument } from '../document.ts';

/** An allow rule, or one entry of its `to`, as the file has it. */
export interface RuleLocation {
  /** Index in `network.allow`. */
  rule: number;
  /** Index in `to`; absent where the rule as a whole is meant. */
  entry?: number;
}

/** Marks in comments that ask for a decision: `review: seen once: ...`, `added: 2 events, ...`. */
const MARK = /^ *# (?:review|added): /;

/**
 * The places with marks above them, in the order of the file, and the marks without `#`. `text` must parse.
 */
export function findMarks(text: string): { location: RuleLocation; marks: string[] }[] {
  return itemsOf(text).flatMap(({ item, location }) => {
    const marks = linesAbove(text, item)
      .filter(({ line }) => MARK.test(line))
      .map(({ line }) => line.trim().slice(2));
    return marks.length === 0 ? [] : [{ location, marks: marks.toReversed() }];
  });
}

/**
 * The marks that `findMarks` does not find, each with its line from 1: those of a flat policy stand behind
 * its values, and people may write one anywhere.
 */
export function strayMarks(text: string): { line: number; mark: string }[] {
  const found = new Set(
    itemsOf(text).flatMap(({ item }) => linesAbove(text, item).map(({ start }) => start)),
  );
  return lexemesOf(text, 0, text.length).flatMap(({ at, lexeme }) => {
    if (!MARK.test(lexeme) || found.has(text.lastIndexOf('\n', at - 1) + 1)) return [];
    return [{ line: text.slice(0, at).split('\n').length, mark: lexeme.trim().slice(2) }];
  });
}

/** What `generate` writes above a rule beside its marks: what was seen of it, and of whom. */
const EVIDENCE =
  /^ *# (?:(?:[\d,]+ of [\d,]+ hosts?, )?[\d,]+ events? in (?:at least )?[\d,]+ hours?, |over-grant x|hosts by destination: |owners: |known by |[\d,]+ events? by [\d,]+ names?, |by image: a name such as |uid \d+(?: \(|, \d))/;

/** The text without the marks above a location. */
export function removeMarks(text: string, location: RuleLocation): string {
  return removeAbove(text, location, [MARK]);
}

function removeAbove(text: string, location: RuleLocation, kinds: readonly RegExp[]): string {
  let result = text;
  for (const { line, start } of linesAbove(text, itemAt(text, location))) {
    if (kinds.some((kind) => kind.test(line)))
      result = result.slice(0, start) + result.slice(start + line.length + 1);
  }
  return result;
}

/** What the allow rules of the file say, as plain data. */
export function allowRules(text: string): RuleDocument[] {
  return (listOf(text, 'allow')?.items ?? []).map((item) => item.toJSON() as RuleDocument);
}

/**
 * The text with other destinations in the place of one. The rule goes with its last destination, unless it
 * allows sockets too. Comments above stay; those within the entry go above it.
 */
export function replaceEntry(
  text: string,
  location: Required<RuleLocation>,
  replacement: readonly ToDocument[],
): string {
  const rule = itemAt(text, { rule: location.rule });
  const to = rule.get('to', true) as unknown as YAMLSeq<Node>;
  if (replacement.length === 0 && to.items.length === 1) {
    return rule.has('sockets') ? removePair(text, rule, 'to') : removeRule(text, location.rule);
  }
  const rendered = replacement.map((entry) => ({ lines: renderTo(entry), inline: inlineTo(entry) }));
  return replaceItem(text, to, location.entry, rendered);
}

/** The text in which a rule allows these sockets alone. The rule goes when nothing is left of it. */
export function replaceSockets(text: string, rule: number, kinds: readonly string[]): string {
  const map = itemAt(text, { rule });
  if (kinds.length === 0) return map.has('to') ? removePair(text, map, 'sockets') : removeRule(text, rule);
  const { range } = map.get('sockets', true) as unknown as { range: [number, number, number] };
  return `${text.slice(0, range[0])}[${kinds.join(', ')}]${text.slice(range[1])}`;
}

/** The text without an allow rule and what was generated above it: marks and evidence. Other comments stay. */
export function removeRule(text: string, rule: number): string {
  const unmarked = removeAbove(text, { rule }, [MARK, EVIDENCE]);
  const allow = listOf(unmarked, 'allow')!;
  if (allow.items.length > 1) return replaceItem(unmarked, allow, rule, []);
  const [start, end] = spanOf(unmarked, allow.items[0]!);
  if (allow.flow) return unmarked.slice(0, start) + unmarked.slice(end);
  const dash = unmarked.lastIndexOf('-', start);
  const key = unmarked.lastIndexOf('allow:', dash) + 'allow:'.length;
  const lineStart = unmarked.lastIndexOf('\n', dash) + 1;
  return `${unmarked.slice(0, key)} []${unmarked.slice(key, lineStart)}${unmarked.slice(endOfLine(unmarked, end - 1))}`;
}

interface PlacedItem {
  location: RuleLocation;
  item: Node;
}

/** The allow rules and, where they stand on lines of their own, the entries of their `to`. */
function itemsOf(text: string): PlacedItem[] {
  const items: PlacedItem[] = [];
  for (const [rule, item] of (listOf(text, 'allow')?.items ?? []).entries()) {
    items.push({ location: { rule }, item });
    const to = isMap(item) ? (item.get('to', true) as unknown) : undefined;
    if (!isSeq<Node>(to)) continue;
    for (const [entry, each] of to.items.entries()) items.push({ location: { rule, entry }, item: each });
  }
  // In flow style several may share a line, and the comment above it is not one of theirs.
  return items.filter(({ item }) => /^[ \t-]*$/.test(text.slice(lineStartOf(text, item), item.range![0])));
}

function lineStartOf(text: string, item: Node): number {
  return text.lastIndexOf('\n', item.range![0] - 1) + 1;
}

function itemAt(text: string, { entry, rule }: RuleLocation): YAMLMap {
  const map = listOf(text, 'allow')!.items[rule] as YAMLMap;
  if (entry === undefined) return map;
  return (map.get('to', true) as unknown as YAMLSeq<Node>).items[entry] as YAMLMap;
}

/**
 * The lines of comment directly above the line on which an item begins, the lowest first, each without its
 * break.
 */
function linesAbove(text: string, item: Node): { line: string; start: number }[] {
  const lines: { line: string; start: number }[] = [];
  let end = text.lastIndexOf('\n', item.range![0] - 1);
  while (end >= 0) {
    const start = text.lastIndexOf('\n', end - 1) + 1;
    const line = text.slice(start, end);
    if (!/^\s*#/.test(line)) break;
    lines.push({ line, start });
    end = start - 1;
  }
  return lines;
}

/** Where an item begins and ends, without what is only space or comment behind it. */
function spanOf(text: string, item: Node): [number, number] {
  const [start, valueEnd] = item.range!;
  let end = start;
  for (const { at, lexeme } of lexemesOf(text, start, valueEnd)) {
    if (lexeme.trim() !== '' && !lexeme.startsWith('#')) end = at + lexeme.length;
  }
  return [start, end];
}

/** What the lexer says beside the text: a document, a scalar, the end of a flow. */
const CONTROL: ReadonlySet<string> = new Set(['\u0002', '\u0018', '\u001f']);

/** The lexemes of a part of the text, which begins where an item does. */
function lexemesOf(text: string, start: number, end: number): { at: number; lexeme: string }[] {
  // Indented as it is in the text, so that its other lines have the same meaning.
  const column = start - (text.lastIndexOf('\n', start - 1) + 1);
  let at = start - column;
  return [...new Lexer().lex(' '.repeat(column) + text.slice(start, end))].flatMap((lexeme) => {
    if (CONTROL.has(lexeme)) return [];
    at += lexeme.length;
    return [{ at: at - lexeme.length, lexeme }];
  });
}

function replaceItem(
  text: string,
  list: YAMLSeq<Node>,
  index: number,
  rendered: readonly { lines: readonly string[]; inline: string }[],
): string {
  const [start, end] = spanOf(text, list.items[index]!);
  if (list.flow) {
    if (rendered.length > 0) {
      return text.slice(0, start) + rendered.map(({ inline }) => inline).join(', ') + text.slice(end);
    }
    const next = list.items[index + 1];
    if (next) return text.slice(0, start) + text.slice(next.range![0]);
    return text.slice(0, spanOf(text, list.items[index - 1]!)[1]) + text.slice(end);
  }
  const dash = text.lastIndexOf('-', start - 1);
  const lineStart = text.lastIndexOf('\n', dash) + 1;
  const lineEnd = endOfLine(text, end - 1);
  const comments = lexemesOf(text, start, rendered.length === 0 ? start : lineEnd).flatMap(({ lexeme }) =>
    lexeme.startsWith('#') ? [lexeme] : [],
  );
  const lines = [...comments, ...rendered.flatMap((each) => each.lines)];
  return text.slice(0, lineStart) + indent(lines, dash - lineStart) + text.slice(lineEnd);
}

/** Takes one key out of a map. */
function removePair(text: string, map: YAMLMap, key: string): string {
  const at = map.items.findIndex((pair) => String(pair.key) === key);
  const { key: name, value } = map.items[at]! as unknown as { key: Node; value: Node };
  const [, end] = spanOf(text, value);
  if (map.flow) {
    const next = map.items[at + 1]?.key as Node | undefined;
    if (next) return text.slice(0, name.range![0]) + text.slice(next.range![0]);
    const before = map.items[at - 1]?.value as Node | undefined;
    return text.slice(0, before ? spanOf(text, before)[1] : name.range![0]) + text.slice(end);
  }
  // The first key follows the dash of the rule: there the next one takes its place.
  const next = map.items[at + 1]?.key as Node | undefined;
  if (at === 0 && next) return text.slice(0, name.range![0]) + text.slice(next.range![0]);
  const lineStart = text.lastIndexOf('\n', name.range![0]) + 1;
  return text.slice(0, lineStart) + text.slice(endOfLine(text, end - 1));
}
