import { Composer, isMap, isScalar, isSeq, Lexer, type Node, Parser } from 'yaml';
import { isUnsafe, visible } from '../../error/visible.ts';
import { LIMITS } from './limit.ts';
import type { Path } from './problem.ts';

/** A reason why a text is not the plain YAML that policies are written in. */
interface Fault {
  /** Characters from the start of the source. */
  offset: number;
  path: Path;
  message: string;
  help?: string;
}

/** A YAML document as plain data, with the way back to its text. */
export interface YamlSource {
  /**
   * Maps without a prototype, arrays, text, numbers, booleans and null. Undefined after a fault of syntax.
   */
  value: unknown;
  faults: Fault[];
  /** Characters that are read, but that nobody who looks at the file sees. */
  remarks: Fault[];
  /** The offset of the value at `path`, of the deepest ancestor that is there otherwise. */
  offsetOf(path: Path): number;
  /** The offset of the last key of `path`. */
  offsetOfKey(path: Path): number;
}

/**
 * Reads the part of YAML that a policy needs: one document of maps, lists and scalars of the core schema.
 * What could hide or change a meaning is a fault: anchors, aliases, tags, directives, duplicate keys, numbers
 * that do not look like one.
 */
export function readYaml(source: string): YamlSource {
  const faults: Fault[] = [];
  const hidden = HIDDEN.exec(source);
  if (hidden) faults.push(hiddenFault(hidden));
  const comments: number[] = [];
  const root = hidden ? undefined : compose(source, faults, comments);
  const value = root === undefined ? undefined : plainOf(root, [], faults);
  return {
    value,
    faults,
    remarks: hidden ? [] : invisibleIn(source, comments),
    offsetOf: (path) => nodeAt(root, path).offset,
    offsetOfKey: (path) => keyOffset(root, path),
  };
}

/**
 * Characters that no editor shows, or that show a line in another order than it is read. The lexer uses some
 * of them for itself. A byte order mark may begin a file.
 */
const HIDDEN = /(?![\t\n\r])[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]|(?<!^)\ufeff/u;

function hiddenFault({ 0: character, index }: RegExpExecArray): Fault {
  const code = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
  return {
    offset: index,
    path: [],
    message: `the invisible character U+${code} is not accepted`,
    help: 'remove it',
  };
}

/** What may be unsafe at all: most policies have none, and are not searched character by character. */
const UNUSUAL = /[^\t\n\r -~]+/g;

/**
 * What a comment must not hold: it would change what the lines around it seem to say, or hold a text of its
 * own. What joins letters or pictures is part of texts that people write.
 */
const MISLEADING = /[\p{Bidi_Control}\u{e0000}-\u{e007f}]/u;

/** More lines than these are not remarked upon: whoever reads the first knows. */
const MOST_REMARKS = 20;

/**
 * The first such character of each line: with one in it a name is another than it looks, in an editor and in
 * a review. `comments` are the offsets of comments, in order.
 */
function invisibleIn(source: string, comments: readonly number[]): Fault[] {
  const remarks: Fault[] = [];
  let comment = 0;
  let lineEnd = 0;
  for (const { 0: run, index } of source.matchAll(UNUSUAL)) {
    if (index < lineEnd) continue;
    while (comments[comment + 1]! <= index) comment++;
    const lineStart = source.lastIndexOf('\n', index) + 1;
    const inComment = comments[comment]! >= lineStart && comments[comment]! < index;
    const characters = Array.from(index === 0 ? run.replace(/^\ufeff/, ' ') : run);
    const at = characters.findIndex((each) => (inComment ? MISLEADING.test(each) : isUnsafe(each)));
    if (at < 0) continue;
    if (remarks.length === MOST_REMARKS) break;
    remarks.push(invisibleRemark(source, index + characters.slice(0, at).join('').length));
    const end = source.indexOf('\n', index);
    lineEnd = end < 0 ? source.length : end;
  }
  return remarks;
}

/** The word around the character, with what is unsafe in it written out. */
function invisibleRemark(source: string, offset: number): Fault {
  const before = /[^\n "',[\]{}]{0,40}$/.exec(source.slice(Math.max(0, offset - 40), offset))![0];
  const [after] = /^[^\n "',[\]{}]{0,40}/.exec(source.slice(offset, offset + 40))!;
  const code = source.codePointAt(offset)!.toString(16).toUpperCase().padStart(4, '0');
  return {
    offset,
    path: [],
    message: `the invisible character U+${code} is part of the text here: ${visible(before + after)}`,
    help: 'remove it, or write it in double quotes as "\\uXXXX", so that readers see it',
  };
}

/** What the lexer puts before the text of a scalar, whose first character then means nothing. */
const SCALAR_FOLLOWS = '\u001f';

/** What could hide or change the meaning of a line, by its first character. Policies have no need for it. */
const REFUSED: ReadonlyMap<string, { message: string; help: string }> = new Map([
  ['%', { message: 'YAML directives are not accepted', help: 'remove the line' }],
  ['&', { message: 'anchors (&name) are not accepted', help: 'remove the anchor' }],
  [
    '*',
    {
      message: 'aliases (*name) are not accepted',
      help: 'write the value out, or quote it if it is a name with a glob: "*"',
    },
  ],
  ['!', { message: 'tags (!name) are not accepted', help: 'remove the tag' }],
]);

/**
 * The root node; undefined after a fault. Only the first fault of syntax is reported: the rest follow from
 * it. Adds the offsets of comments to `comments`.
 */
function compose(source: string, faults: Fault[], comments: number[]): Node | null | undefined {
  const parser = new Parser();
  const composer = new Composer({ version: '1.2', schema: 'core', uniqueKeys: false, prettyErrors: false });
  const documents = [];
  let before = '';
  for (const lexeme of new Lexer().lex(source)) {
    const refused = before === SCALAR_FOLLOWS ? undefined : REFUSED.get(lexeme[0]!);
    if (refused) {
      faults.push({ offset: parser.offset, path: [], ...refused });
      return undefined;
    }
    if (lexeme.startsWith('#') && before !== SCALAR_FOLLOWS) comments.push(parser.offset);
    before = lexeme;
    for (const token of parser.next(lexeme)) documents.push(...composer.next(token));
    // The composer recurses, so depth is bounded before it sees the tree.
    if (parser.stack.length > LIMITS.depth) {
      const message = `nested more than ${LIMITS.depth} levels deep`;
      faults.push({ offset: parser.offset, path: [], message });
      return undefined;
    }
  }
  for (const token of parser.end()) documents.push(...composer.next(token));
  documents.push(...composer.end(false, source.length));
  for (const document of documents) {
    const error = document.errors[0] ?? document.warnings[0];
    if (error) {
      faults.push({ offset: error.pos[0], path: [], ...syntaxFault(error) });
      return undefined;
    }
  }
  if (documents.length > 1) {
    const message = 'a second document begins here; a policy is one document';
    faults.push({
      offset: documents[1]!.range[0],
      path: [],
      message,
      help: 'remove the line `---` before it',
    });
    return undefined;
  }
  return documents[0]?.contents ?? null;
}

const TAB_HELP = 'indent with spaces: YAML does not accept tabs';

/** YAML keeps the character `@` for itself: a value that begins with it must be quoted. */
function syntaxFault({ code, message }: { code: string; message: string }): Pick<Fault, 'message' | 'help'> {
  const isSet = code === 'BAD_SCALAR_START' && message.includes('character @');
  return {
    message: syntaxMessage(code, message),
    ...(isSet && { help: 'a set is named in quotes: "@NAME"' }),
  };
}

function syntaxMessage(code: string, message: string): string {
  if (code === 'TAB_AS_INDENT') return TAB_HELP;
  return message.split('\n')[0]!.replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase());
}

function plainOf(node: Node | null, path: Path, faults: Fault[]): unknown {
  if (node === null) return null;
  if (isSeq<Node | null>(node))
    return node.items.map((item, index) => plainOf(item, [...path, index], faults));
  if (isMap<Node | null, Node | null>(node)) {
    const map: Record<string, unknown> = Object.create(null);
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? key.value : undefined;
      if (typeof name !== 'string') {
        faults.push({ offset: startOf(key ?? node), path, message: 'a key must be plain text' });
      } else if (Object.hasOwn(map, name)) {
        const message = `the key "${name}" is here twice`;
        faults.push({ offset: startOf(key!), path: [...path, name], message, help: 'join the two' });
      } else {
        map[name] = plainOf(value, [...path, name], faults);
      }
    }
    return map;
  }
  return isScalar(node) ? scalarOf(node, path, faults) : null;
}

/**
 * Numbers must be written as they are read: `0o17`, `010`, `1e3` and `+1` surprise the reviewers of the file.
 */
function scalarOf(node: Node & { value: unknown; source?: string }, path: Path, faults: Fault[]): unknown {
  const { value } = node;
  if (typeof value === 'number' && String(value) !== node.source) {
    faults.push({
      offset: startOf(node),
      path,
      message: `"${node.source}" would be read as the number ${value}`,
      help: 'write a plain decimal number, or quote it if it is text',
    });
  }
  return typeof value === 'bigint' ? Number(value) : value;
}

function startOf(node: Node): number {
  return node.range?.[0] ?? 0;
}

function nodeAt(root: Node | null | undefined, path: Path): { offset: number; node: Node | null } {
  let node = root ?? null;
  let offset = node ? startOf(node) : 0;
  for (const step of path) {
    let next: Node | null | undefined;
    if (isMap<Node | null, Node | null>(node)) next = pairOf(node.items, step)?.value;
    else if (isSeq<Node | null>(node)) next = node.items[Number(step)];
    if (!next) return { offset, node: null };
    node = next;
    offset = startOf(next);
  }
  return { offset, node };
}

function keyOffset(root: Node | null | undefined, path: Path): number {
  const parent = nodeAt(root, path.slice(0, -1));
  if (!isMap<Node | null, Node | null>(parent.node)) return parent.offset;
  const key = pairOf(parent.node.items, path.at(-1)!)?.key;
  return key ? startOf(key) : parent.offset;
}

function pairOf<P extends { key: Node | null }>(items: readonly P[], name: string | number): P | undefined {
  return items.find(({ key }) => isScalar(key) && key.value === name);
}
