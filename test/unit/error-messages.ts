import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROGRAM_FOLDERS } from './program-folders.ts';

const ROOT = join(import.meta.dirname, '../../..');

/** A place of the program that fails with a text of its own. */
export interface ErrorMessage {
  file: string;
  code: string;
  /** What is filled in is `…`. */
  message: string;
}

/** Every `new BouhekiError('code', 'text')` of the program; those whose text is made elsewhere are left out. */
export function errorMessages(): ErrorMessage[] {
  const files = PROGRAM_FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join(folder, file)),
  );
  return files.flatMap((file) => {
    const source = readFileSync(join(ROOT, file), 'utf8');
    return [...source.matchAll(/new BouhekiError\(\s*'([\w-]+)',\s*(?=['"`])/g)].flatMap((found) => {
      const message = literalAt(source, found.index + found[0].length);
      // Nothing but what is filled in.
      return /\p{L}/u.test(message) ? [{ file, code: found[1]!, message }] : [];
    });
  });
}

/** The text of the string that begins at a quote. */
function literalAt(source: string, start: number): string {
  const quote = source[start]!;
  let text = '';
  for (let at = start + 1; source[at] !== quote; at++) {
    if (source[at] === '\\') text += source[++at]!;
    else if (quote === '`' && source.startsWith('${', at)) {
      text += '…';
      at = endOfHole(source, at + 2);
    } else text += source[at]!;
  }
  return text;
}

/** Where the brace is that closes what is filled in, which may have strings of its own. */
function endOfHole(source: string, start: number): number {
  let depth = 1;
  for (let at = start; ; at++) {
    const each = source[at]!;
    if (each === '{') depth++;
    else if (each === '}' && --depth === 0) return at;
    else if (each === '`') at = endOfTemplate(source, at);
    else if (each === "'" || each === '"') at = source.indexOf(each, at + 1);
  }
}

function endOfTemplate(source: string, start: number): number {
  for (let at = start + 1; ; at++) {
    if (source[at] === '`') return at;
    if (source.startsWith('${', at)) at = endOfHole(source, at + 2);
  }
}
