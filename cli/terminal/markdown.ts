import { visible } from '../../error/visible.ts';

/** A table in Markdown, each line with its line feed. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const rule = head.map(() => '---');
  const lines = [head, rule, ...rows.map((row) => row.map(escapeMarkdown))];
  return lines.map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

/**
 * Names of processes are free text: none may end a cell or become markup, nor call a person, an issue or an
 * address. What makes those is cut by an empty comment, because a backslash does not keep a forge from them.
 */
export function escapeMarkdown(text: string): string {
  return visible(text)
    .replace(/[\\`*_|<>[\]&]/g, (character) => `\\${character}`)
    .replace(/[@#]|:(?=\/\/)|(?<=www)\./gi, '$&<!-- -->');
}
