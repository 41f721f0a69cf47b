import { visible } from '../../error/visible.ts';
import type { Drift } from '../../generator/drift/drift.ts';
import { DRIFT_COLUMNS, driftSections } from './row.ts';

/** The drift as Markdown, for a comment on a change; empty when there is none. */
export function driftMarkdown(drift: Drift): string {
  const rule = DRIFT_COLUMNS.map(() => '---').join(' | ');
  return driftSections(drift)
    .map(({ title, rows }) => {
      const lines = [DRIFT_COLUMNS.join(' | '), rule, ...rows.map((row) => row.map(escape).join(' | '))];
      return `### ${title}\n\n${lines.map((line) => `| ${line} |\n`).join('')}`;
    })
    .join('\n');
}

/**
 * Names of processes are free text: none may end a cell or become markup, nor call a person, an issue or an
 * address. What makes those is cut by an empty comment, because a backslash does not keep a forge from them.
 */
function escape(text: string): string {
  return visible(text)
    .replace(/[\\`*_|<>[\]&]/g, (character) => `\\${character}`)
    .replace(/[@#]|:(?=\/\/)|(?<=www)\./gi, '$&<!-- -->');
}
