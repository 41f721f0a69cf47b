import { replaceUnsafe } from '../../error/visible.ts';
import {
  type Entry,
  FLAT_KEYS,
  SET_KINDS,
  type ModeDocument,
  type PolicyDocument,
  type RuleDocument,
  type SetDocument,
  type ToDocument,
  type ToKey,
} from './document.ts';
import { FROM_DIMENSIONS } from '../meaning/dimension.ts';

/** Lists longer than this go one value a line. */
const WIDTH = 100;
/** Where lists have several values a line, lines are no longer than this. */
const DENSE_WIDTH = 160;

/** The keys of an entry of `to` in the order in which they are printed; the compiler asks for each. */
const TO_KEYS = Object.keys({
  name: 0,
  cidr: 0,
  except: 0,
  port: 0,
  protocol: 0,
  keep: 0,
} satisfies Record<ToKey, 0>) as ToKey[];

/** A version 2 file. The same document always gives the same bytes. */
export function printPolicy(document: PolicyDocument): string {
  const dense = document.dense === true;
  // Lists as long as these are no arguments of a call: the stack ends at about a hundred thousand of them.
  const lines = [
    ...comment(document.header, ''),
    'version: 2',
    ...names(document.names),
    ...sets(document.sets, dense),
    'network:',
    `  mode: ${document.mode}`,
    ...modes(document.modes),
    `  target: ${document.target}`,
    ...(document.onExit === undefined ? [] : [`  on_exit: ${document.onExit}`]),
    ...(document.flat
      ? flat(document.flat)
      : [...rules('deny', document.deny, dense), ...rules('allow', document.allow ?? [], dense)]),
    ...log(document.log),
  ];
  return `${lines.join('\n')}\n`;
}

/** A value as YAML: plain where every reader sees text, else in double quotes. */
function printScalar(value: string | number): string {
  if (typeof value === 'number') return String(value);
  const plain =
    /^[A-Za-z_/][\w./@+-]*(?: [\w./@+-]+)*$/.test(value) ||
    /^\d+(?:\.\d+){3}(?:\/\d+)?$/.test(value) ||
    /^(?:\d+[dhms])+$/.test(value);
  if (plain && !/^(?:true|false|null|yes|no|on|off|y|n)$/i.test(value)) return value;
  return replaceUnsafe(JSON.stringify(value), (character) => {
    const hex = character.codePointAt(0)!.toString(16);
    return hex.length > 4 ? `\\U${hex.padStart(8, '0')}` : `\\u${hex.padStart(4, '0')}`;
  });
}

/** A rule without comments as one line: `- { from: { uid: [0] }, to: [{ cidr: [10.0.0.0/8] }] }`. */
export function printRule({ name, from, to, sockets, until }: RuleDocument): string {
  const parts: string[] = [];
  if (name !== undefined) parts.push(`name: ${printScalar(name)}`);
  if (until !== undefined) parts.push(`until: ${printScalar(until)}`);
  if (from && Object.keys(from).length > 0) parts.push(`from: ${printFrom(from)}`);
  if (to) parts.push(`to: [${to.map((each) => flowMap(toPairs(each))).join(', ')}]`);
  if (sockets) parts.push(`sockets: ${flowList(sockets)}`);
  return `- { ${parts.join(', ')} }`;
}

/** Whom a rule is for, on one line: `{ exe: [/usr/bin/curl], uid: [0] }`. */
export function printFrom(from: NonNullable<RuleDocument['from']>): string {
  return flowMap(fromPairs(from))!;
}

function modes(entries: readonly ModeDocument[] | undefined): string[] {
  if (!entries) return [];
  const lines = entries.flatMap(({ from, mode, name }) => {
    const body = [
      ...(name === undefined ? [] : [`name: ${printScalar(name)}`]),
      ...(Object.keys(from).length > 0 ? map('from', fromPairs(from), 6) : ['from: {}']),
      `mode: ${mode}`,
    ];
    return body.map((line, index) => (index === 0 ? `    - ${line}` : `      ${line}`));
  });
  return ['  modes:', ...lines];
}

function rules(key: 'allow' | 'deny', list: readonly RuleDocument[] | undefined, dense: boolean): string[] {
  if (!list) return [];
  if (list.length === 0) return [`  ${key}: []`];
  return [`  ${key}:`, ...list.flatMap((each) => rule(each, dense))];
}

function rule(
  { comment: above, from, name, note, sockets, to, until }: RuleDocument,
  dense: boolean,
): string[] {
  const body = [
    ...(name === undefined ? [] : [`name: ${printScalar(name)}`]),
    ...(until === undefined ? [] : [`until: ${printScalar(until)}`]),
    ...(from && Object.keys(from).length > 0 ? subject(fromPairs(from), dense) : []),
    ...(to ? destinations(to, dense) : []),
    ...(sockets ? list('sockets', sockets, 6) : []),
  ];
  // A map without keys must say so, or it would be null.
  if (body.length === 0) body.push('{}');
  if (note !== undefined) body[0] += ` # ${commentLines(note).join(' ')}`;
  return [
    ...comment(above, '    '),
    ...body.map((line, index) => (index === 0 ? `    - ${line}` : `      ${line}`)),
  ];
}

function subject(pairs: [string, Content][], dense: boolean): string[] {
  return dense ? wrapped('from: ', pairs, 6) : map('from', pairs, 6);
}

function destinations(to: readonly ToDocument[], dense: boolean): string[] {
  return dense ? denseTo(to) : ['to:', ...to.flatMap(destination)];
}

function denseTo(to: readonly ToDocument[]): string[] {
  const [first] = to;
  if (to.length === 1 && first!.comment === undefined) {
    const pairs = toPairs(first!);
    // A long list need not be written to know that it is too long.
    const inline = pairs.some(([, content]) => isLong(content)) ? undefined : flowMap(pairs);
    const line = inline === undefined ? '' : `to: [${inline}]`;
    if (inline !== undefined && line.length + 6 <= DENSE_WIDTH) return [line];
  }
  return [
    'to:',
    ...to.flatMap((each) => [...comment(each.comment, '  '), ...wrapped('  - ', toPairs(each), 6)]),
  ];
}

/** Whether no line has room for a list, however short its values are. */
function isLong(content: Content): boolean {
  return typeof content !== 'string' && 3 * content.length > DENSE_WIDTH;
}

/**
 * `HEAD{ a: [x, y], b: [z] }`, in as many lines as it takes, of which the second and later ones are indented further;
 * one value a line where values have comments. `indent`: columns before the head.
 */
function wrapped(head: string, pairs: readonly [string, Content][], indent: number): string[] {
  if (pairs.some(([, content]) => hasComments(content))) return blocks(head, pairs, indent);
  const words = pairs.flatMap(([key, content], at) => {
    const end = at < pairs.length - 1 ? ',' : '';
    if (typeof content === 'string') return [`${key}: ${printScalar(content)}${end}`];
    const values = content.map((each) => printScalar(each as string | number));
    return values.map(
      (value, index) =>
        `${index === 0 ? `${key}: [` : ''}${value}${index < values.length - 1 ? ',' : `]${end}`}`,
    );
  });
  if (words.length === 0) return [`${head}{}`];
  const lines = [];
  let line = `${head}{`;
  const further = ' '.repeat(/^ */.exec(head)![0].length + 4);
  for (const [at, word] of words.entries()) {
    const end = at === words.length - 1 ? ' }' : '';
    if (indent + line.length + 1 + word.length + end.length > DENSE_WIDTH && line.trim() !== '') {
      lines.push(line);
      line = `${further}${word}${end}`;
    } else line += ` ${word}${end}`;
  }
  return [...lines, line];
}

/** As `wrapped`, with a line for each key and value. */
function blocks(head: string, pairs: readonly [string, Content][], indent: number): string[] {
  const lines = pairs.flatMap(([key, values]) => list(key, values, indent + 4));
  const item = head.trimEnd().endsWith('-');
  if (!item) return [head.trimEnd(), ...lines.map((line) => `  ${line}`)];
  return lines.map((line, index) => `${index === 0 ? head : ' '.repeat(head.length)}${line}`);
}

/** A list, or the one value that a key takes. */
type Content = readonly Entry[] | string;

function fromPairs(from: NonNullable<RuleDocument['from']>): [string, Content][] {
  return pairsOf(from, FROM_DIMENSIONS);
}

function toPairs(to: ToDocument): [string, Content][] {
  return pairsOf(to, TO_KEYS);
}

function pairsOf<K extends string>(
  contents: Partial<Record<K, Content>>,
  keys: readonly K[],
): [string, Content][] {
  return keys.flatMap((key) => {
    const content = contents[key];
    return content === undefined ? [] : [[key, content] as [string, Content]];
  });
}

function destination(to: ToDocument): string[] {
  const pairs = toPairs(to);
  const inline = flowMap(pairs);
  const head = comment(to.comment, '  ');
  if (pairs.length === 0) return [...head, '  - {}'];
  if (inline !== undefined && inline.length + 10 <= WIDTH) return [...head, `  - ${inline}`];
  const lines = pairs.flatMap(([key, values]) => list(key, values, 10));
  return [...head, ...lines.map((line, index) => (index === 0 ? `  - ${line}` : `    ${line}`))];
}

function flat(keys: NonNullable<PolicyDocument['flat']>): string[] {
  return FLAT_KEYS.flatMap((key) => flatKey(key, keys[key] ?? {}));
}

function flatKey(key: string, of: { allow?: Entry[]; deny?: Entry[] }): string[] {
  const lists = (['allow', 'deny'] as const).flatMap((action) => {
    const values = of[action];
    return values ? list(action, values, 4).map((line) => `    ${line}`) : [];
  });
  return lists.length === 0 ? [] : [`  ${key}:`, ...lists];
}

function names(options: PolicyDocument['names']): string[] {
  if (!options) return [];
  const { hosts, keep, resolvers } = options;
  const parts = [
    ...(resolvers ? [`resolvers: ${flowContent(resolvers)}`] : []),
    ...(keep === undefined ? [] : [`keep: ${printScalar(keep)}`]),
    ...(hosts === undefined ? [] : [`hosts: ${hosts}`]),
  ];
  return [`names: { ${parts.join(', ')} }`];
}

function sets(all: PolicyDocument['sets'], dense: boolean): string[] {
  if (!all?.size) return [];
  return ['sets:', ...[...all].flatMap(([name, lists]) => namedSet(name, lists, dense))];
}

function namedSet(name: string, { comment: above, ...lists }: SetDocument, dense: boolean): string[] {
  const pairs = pairsOf(lists, SET_KINDS);
  const body = dense ? wrapped(`${printScalar(name)}: `, pairs, 2) : map(printScalar(name), pairs, 2);
  return [...comment(above, '  '), ...body.map((line) => `  ${line}`)];
}

function log(options: PolicyDocument['log']): string[] {
  const { format, level, output, labels } = options ?? {};
  const lines = Object.entries({ format, level, output }).flatMap(([key, value]) =>
    value === undefined ? [] : [`  ${key}: ${printScalar(value)}`],
  );
  const names = Object.keys(labels ?? {}).sort();
  if (names.length > 0) lines.push('  labels:');
  for (const name of names) lines.push(`    ${printScalar(name)}: ${printScalar(labels![name]!)}`);
  return lines.length > 0 ? ['log:', ...lines] : [];
}

/** `key: { a: [x], b: [y] }`, or its block form where that is too long or holds comments. */
function map(key: string, pairs: [string, Content][], indent: number): string[] {
  const inline = flowMap(pairs);
  if (inline !== undefined && indent + key.length + 2 + inline.length <= WIDTH) return [`${key}: ${inline}`];
  return [
    `${key}:`,
    ...pairs.flatMap(([name, values]) => list(name, values, indent + 2).map((line) => `  ${line}`)),
  ];
}

function flowMap(pairs: readonly [string, Content][]): string | undefined {
  const parts = pairs.map(([name, values]) => {
    const inline = flowContent(values);
    return inline === undefined ? undefined : `${name}: ${inline}`;
  });
  return parts.includes(undefined) ? undefined : `{ ${parts.join(', ')} }`;
}

function list(key: string, values: Content, indent: number): string[] {
  const inline = flowContent(values);
  if (typeof values === 'string') return [`${key}: ${inline}`];
  if (inline !== undefined && indent + key.length + 2 + inline.length <= WIDTH) return [`${key}: ${inline}`];
  return [
    `${key}:`,
    ...values.map((entry) =>
      typeof entry === 'object'
        ? `  - ${printScalar(entry.value)} # ${commentLines(entry.comment).join(' ')}`
        : `  - ${printScalar(entry)}`,
    ),
  ];
}

function flowContent(content: Content): string | undefined {
  return typeof content === 'string' ? printScalar(content) : flowList(content);
}

function hasComments(content: Content): boolean {
  return typeof content !== 'string' && content.some((entry) => typeof entry === 'object');
}

/** Undefined where a value has a comment: a comment ends its line. */
function flowList(values: readonly Entry[]): string | undefined {
  if (hasComments(values)) return undefined;
  return `[${values.map((entry) => printScalar(entry as string | number)).join(', ')}]`;
}

function comment(text: string | undefined, indent: string): string[] {
  return text === undefined ? [] : commentLines(text).map((line) => `${indent}# ${line}`.trimEnd());
}

/** Names of processes end up in comments: nothing in one may end the comment or drive a terminal. */
function commentLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) =>
      replaceUnsafe(line, (character) => `\\x${character.codePointAt(0)!.toString(16).padStart(2, '0')}`),
    );
}
