import { textOf } from './text-input.ts';

/** A line of a file, without its end, whether that is LF or CRLF. */
export interface TextLine {
  /** From 1. */
  line: number;
  text: string;
  /** Longer than any line may be: nothing of it is given. */
  long?: true;
}

/** Characters of the longest line. */
const LONGEST = 1 << 20;

/** The lines of a file that are not empty, in parts as they come. Throws as `textOf`. */
export async function* linesOf(file: string): AsyncGenerator<TextLine[], void> {
  let rest = '';
  let line = 0;
  // Within a line that is too long.
  let skipping = false;
  const lineOf = (text: string): TextLine[] => {
    if (skipping) {
      skipping = false;
      return [];
    }
    line += 1;
    if (text.length > LONGEST) return [{ line, text: '', long: true }];
    const bare = text.endsWith('\r') ? text.slice(0, -1) : text;
    return bare.trim() === '' ? [] : [{ line, text: bare }];
  };
  for await (const piece of textOf(file)) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop()!;
    const found = lines.flatMap(lineOf);
    if (skipping) rest = '';
    else if (rest.length > LONGEST) {
      found.push(...lineOf(rest));
      skipping = true;
      rest = '';
    }
    yield found;
  }
  yield lineOf(rest);
}
