/**
 * What no terminal and no editor shows as it is, or what makes them show the rest otherwise: controls of C0
 * and C1 (U+009B begins a sequence that drives a terminal), marks of direction, characters of no width, tags,
 * spaces other than the plain one, halves of surrogate pairs. Names of processes, files, containers and rules
 * may hold any of them. Letters, signs and pictures of every language are none; what joins several pictures
 * into one is.
 */
const UNSAFE = /(?! )[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Zs}\p{Default_Ignorable_Code_Point}\u2800]/gu;

/** The same but for ends of lines and tabs, which are part of most texts of several lines. */
const UNSAFE_IN_LINES = new RegExp(`(?![\\n\\t])${UNSAFE.source}`, 'gu');

function hexOf(character: string): string {
  return character.codePointAt(0)!.toString(16);
}

/** Whether a text holds anything that must not be printed as it is; so do ends of lines. */
export function isUnsafe(text: string): boolean {
  return text.search(UNSAFE) >= 0;
}

/** A text with what is unsafe replaced, one call a character. */
export function replaceUnsafe(text: string, replacement: (character: string) => string): string {
  return text.replace(UNSAFE, replacement);
}

/** Text from outside on one line: `\u{9b}` for U+009B, and so for every character that is unsafe. */
export function visible(text: string): string {
  return replaceUnsafe(text, (character) => `\\u{${hexOf(character)}}`);
}

/** A message of several lines, in which ends of lines and tabs stay. */
export function visibleLines(text: string): string {
  return text.replace(UNSAFE_IN_LINES, (character) => `\\u{${hexOf(character)}}`);
}

/** JSON text that means the same, with `\u009b` for U+009B; astral characters are pairs, as JSON has it. */
export function visibleJson(json: string): string {
  return json.replace(UNSAFE_IN_LINES, (character) =>
    Array.from({ length: character.length }, (_, at) => {
      return `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`;
    }).join(''),
  );
}

/** JSON of a value in which nothing is unsafe; `indent` as JSON.stringify has it. */
export function printJson(value: unknown, indent?: number): string {
  return visibleJson(JSON.stringify(value, null, indent));
}

/**
 * With these a spreadsheet begins a formula, but for a negative number, which is one; the apostrophe that stops
 * it has to be stopped itself.
 */
const FORMULA = /^(?:[=+@']|-(?!\d+$))/;
/** What may follow an apostrophe that is no part of the cell: numbers too, which had one before. */
const GUARDED = /^'[=+\-@']/;

/** Whether a line of CSV may hold a cell that `printCell` would change. */
export function needsCells(line: string): boolean {
  return /(?:^|,)"?(?:[=+@']|-(?!\d+(?:,|$)))|\\u\{/.test(line) || isUnsafe(line);
}

/**
 * A cell of CSV, quoted where that is needed: an apostrophe in front of what a spreadsheet would take for a
 * formula, and `\u{9b}` for what is unsafe. `readCell` takes both back.
 */
export function printCell(text: string): string {
  const plain = visible(text.replaceAll('\\u{', '\\u{5c}u{'));
  const cell = FORMULA.test(plain) ? `'${plain}` : plain;
  return /[,"]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

/** What a cell says that `printCell` has written; any other cell is itself. */
export function readCell(cell: string): string {
  const text = GUARDED.test(cell) ? cell.slice(1) : cell;
  if (!text.includes('\\u{')) return text;
  return text.replace(/\\u\{([0-9a-f]{1,6})\}/g, (escape, hex: string) => {
    const code = Number.parseInt(hex, 16);
    if (code > 0x10_ffff) return escape;
    const character = String.fromCodePoint(code);
    return character === '\\' || isUnsafe(character) ? character : escape;
  });
}
