import { Interpreter, INTERPRETERS, LONG_OPTIONS, PATH_SIZE, Script } from './wire.ts';

/** How an interpreter reads its arguments up to the script: struct interpreter of wire.h. */
interface Syntax {
  /** Of the executable's file; a version may follow. */
  name: string;
  /** Letters of options without a value. */
  plain: string;
  /** Letters of options whose value is the rest of the word or, when there is none, the next word. */
  valued: string;
  /** Absent: no long option is known. Present: all are without a value, but for those here. */
  long?: { valued: readonly string[]; unknown: readonly string[] };
}

const SHELL: Omit<Syntax, 'name'> = {
  plain: 'abefhiklmnprtuvxBCEHPT',
  valued: 'oO',
  long: { valued: ['rcfile', 'init-file'], unknown: [] },
};
const NODE: Omit<Syntax, 'name'> = {
  plain: 'i',
  valued: 'rC',
  long: { valued: ['require', 'import', 'loader', 'conditions'], unknown: ['eval', 'print', 'run', 'check'] },
};

/** What is executed by these is a script; a program with a `#!` line is one whatever interprets it. */
const SYNTAXES: readonly Syntax[] = [
  { name: 'python', plain: 'bBdEiIOPqsSuvx', valued: 'WX' },
  { name: 'node', ...NODE },
  { name: 'nodejs', ...NODE },
  { name: 'bash', ...SHELL },
  { name: 'sh', ...SHELL },
  { name: 'dash', ...SHELL },
  { name: 'zsh', ...SHELL },
  { name: 'ksh', ...SHELL },
  { name: 'perl', plain: 'acfnpsStTuUwWX', valued: 'IMmF' },
  { name: 'ruby', plain: 'acdlnpsSvw', valued: 'IrCE' },
  { name: 'php', plain: 'nq', valued: 'cdz' },
  { name: 'lua', plain: 'iE', valued: 'l' },
];

/** For the section `.rodata.interpreters`. */
export function interpreterBytes(): Uint8Array {
  const bytes = Buffer.alloc(INTERPRETERS * Interpreter.size);
  const { offset } = Interpreter;
  for (const [index, { long, name, plain, valued }] of SYNTAXES.entries()) {
    const at = index * Interpreter.size;
    bytes.write(name, at + offset.name);
    bytes.writeBigUInt64LE(letters(plain), at + offset.plain);
    bytes.writeBigUInt64LE(letters(valued), at + offset.valued);
    for (let word = 0; word < LONG_OPTIONS; word += 1) {
      bytes.write(long?.valued[word]?.slice(0, 8) ?? '', at + offset.valued_words + 8 * word);
      bytes.write(long?.unknown[word]?.slice(0, 8) ?? '', at + offset.unknown_words + 8 * word);
    }
    bytes.writeUInt32LE(name.length, at + offset.name_length);
    bytes.writeUInt32LE(long ? 1 : 0, at + offset.long_options);
  }
  return bytes;
}

function letters(text: string): bigint {
  let mask = 0n;
  for (const letter of text) {
    mask |= 1n << BigInt(letter >= 'a' ? letter.charCodeAt(0) - 97 : letter.charCodeAt(0) - 65 + 26);
  }
  return mask;
}

/** As many arguments as find_script() of script.bpf.h looks at. */
const ARGUMENTS = 12;

/**
 * The script as its interpreter received it, or undefined: what find_script() says. `executable` is the name
 * of the file, `words` begin with the name that the process was started by.
 */
export function scriptOf(executable: string, words: readonly string[]): string | undefined {
  const syntax = SYNTAXES.find(
    ({ name }) => executable.startsWith(name) && /^\d|^$/.test(executable.slice(name.length)),
  );
  if (!syntax) return undefined;
  for (let at = 1; at < Math.min(words.length, ARGUMENTS); at += 1) {
    const word = words[at]!;
    if (word === '') return undefined;
    if (!word.startsWith('-')) return word;
    if (word === '--') return words[at + 1] === '' ? undefined : words[at + 1];
    const option = readOption(word, syntax);
    if (option === 'unknown') return undefined;
    if (option === 'valued') at += 1;
  }
  return undefined;
}

/** How far into one word is looked. */
const LETTERS = 15;

function readOption(word: string, { long, plain, valued }: Syntax): 'plain' | 'valued' | 'unknown' {
  if (word.startsWith('--')) {
    const text = word.slice(2, 10);
    const among = (list: readonly string[] | undefined) => list?.some((each) => each.slice(0, 8) === text);
    if (!long || among(long.unknown)) return 'unknown';
    return among(long.valued) ? 'valued' : 'plain';
  }
  if (word === '-') return 'unknown';
  for (let index = 1; index <= LETTERS && index < word.length; index += 1) {
    const letter = word[index]!;
    if (valued.includes(letter)) return index + 1 < word.length ? 'plain' : 'valued';
    if (!plain.includes(letter)) return 'unknown';
  }
  return word.length > LETTERS ? 'unknown' : 'plain';
}

/**
 * An absolute path without `//`, `/./` and `/../`, by its text: what make_plain() of script.bpf.h makes of a
 * script's path. A link before `..` would lead the kernel elsewhere, which no text can know.
 */
export function plainPath(path: string): string {
  if (!path.startsWith('/') || !/\/[/.]/.test(path)) return path;
  const kept: string[] = [];
  for (const name of path.split('/')) {
    if (name === '..') kept.pop();
    else if (name !== '' && name !== '.') kept.push(name);
  }
  return `/${kept.join('/')}`;
}

/** What stands for a script's path in maps: sum_path() of script.bpf.h. */
export function scriptSum(path: string): [first: bigint, second: bigint] {
  let first = 0xcbf29ce484222325n;
  let second = 0x84222325cbf29ce4n;
  for (const byte of Buffer.from(path)) {
    first = BigInt.asUintN(64, (first ^ BigInt(byte)) * 0x100000001b3n);
    second = BigInt.asUintN(64, (second ^ BigInt(byte)) * 0x9e3779b97f4a7c15n);
  }
  return [first, second];
}

/** What is kept of a process that runs a script. */
export function scriptBytes(path: string): Buffer {
  const script = Buffer.alloc(Script.size);
  for (const [index, half] of scriptSum(path).entries()) {
    script.writeBigUInt64LE(half, Script.offset.sum + 8 * index);
  }
  script.write(path, Script.offset.path, PATH_SIZE - 1, 'utf8');
  return script;
}
