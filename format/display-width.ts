/** What needs no look at its characters: one column each. */
const PLAIN = /^[\x20-\x7e]*$/;

/**
 * What terminals give two columns: East Asian scripts, full forms and punctuation, and pictures that are shown in
 * colour without being asked to. Node has the scripts, so that the list grows with its Unicode.
 */
const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Yi}\p{Script=Tangut}\p{Script=Nushu}\p{Script=Khitan_Small_Script}\p{Emoji_Presentation}\u1100-\u115f\u2329\u232a\u2ff0-\u303e\u309b-\u3247\u3250-\u4dbf\ua960-\ua97c\uac00-\ud7a3\ufe10-\ufe19\ufe30-\ufe6b\uff01-\uff60\uffe0-\uffe6\u{1f200}-\u{1f265}]/u;
/** Half forms, which belong to the scripts above. */
const NARROW = /[\uff61-\uffdc]/;
/** What stands on the character before it. */
const COMBINING = /^[\p{Mn}\p{Me}\p{Default_Ignorable_Code_Point}]$/u;

const characters = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** How many columns of a terminal a text takes that is safe to print: `名前` takes four, `é` one. */
export function displayWidth(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const { segment } of characters.segment(text)) width += widthOf(segment);
  return width;
}

/** The text, or its begin and an ellipsis, in at most so many columns. */
export function cutToWidth(text: string, most: number): string {
  if (displayWidth(text) <= most) return text;
  if (most < 1) return '';
  let width = 1;
  let end = 0;
  for (const { index, segment } of characters.segment(text)) {
    width += widthOf(segment);
    if (width > most) break;
    end = index + segment.length;
  }
  return `${text.slice(0, end)}…`;
}

/** The columns of what is read as one character. */
function widthOf(character: string): number {
  const first = String.fromCodePoint(character.codePointAt(0)!);
  if (COMBINING.test(first)) return 0;
  if (WIDE.test(first) && !NARROW.test(first)) return 2;
  return 1;
}
