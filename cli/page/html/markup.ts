import { visible } from '../../../error/visible.ts';

/** Characters of a name that are shown; the whole of it is in a tool tip. */
const SHOWN = 120;

/** Markup that is safe to put into a page. Made by `html` and `svg` alone. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = Markup | string | number | undefined | false | readonly Part[];

/**
 * Markup with texts in it, which are escaped: as text and as values of attributes in double quotes. What is undefined or
 * false is left out; markup stays as it is.
 */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(strings.reduce((text, string, at) => text + textOf(parts[at - 1]) + string));
}

function textOf(part: Part): string {
  if (part === undefined || part === false) return '';
  if (part instanceof Markup) return part.text;
  if (typeof part === 'object') return part.map(textOf).join('');
  return escape(String(part));
}

/** Text in which nothing is markup, and nothing is unsafe: marks of direction, controls. */
function escape(text: string): string {
  return [...text]
    .map((character) => (character === '\n' || character === '\t' ? character : visible(character)))
    .join('')
    .replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** A name that others chose: its begin, with the whole of it in a tool tip where it is long. */
export function name(text: string): Markup {
  const short = shorten(text);
  return short === text ? html`${text}` : html`<span title="${text}">${short}</span>`;
}

/** The begin of a long text. */
export function shorten(text: string, most = SHOWN): string {
  const characters = [...text];
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`;
}
