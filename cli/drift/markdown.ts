import { visible } from '../../error/visible.ts';
import { formatCount } from '../../format/number.ts';
import type { FindingGroup } from '../../generator/drift/finding.ts';
import type { Reported } from './identify.ts';
import type { DriftReport } from './report.ts';
import { DRIFT_COLUMNS, driftSections } from './row.ts';

/** Characters that a comment on a pull request may have, less some room for what others put around it. */
const MOST_CHARACTERS = 60_000;

/** The drift as Markdown, for a comment on a change; empty when there is none. Cut where a comment would be too long. */
export function driftMarkdown({ groups, left }: DriftReport): string {
  // The worst come first: the most of them that fit, by bisection.
  let [fits, over] = [0, groups.length + 1];
  while (over - fits > 1) {
    const middle = Math.floor((fits + over) / 2);
    if (render(groups, middle, left).length <= MOST_CHARACTERS) fits = middle;
    else over = middle;
  }
  return render(groups, fits, left);
}

function render(groups: readonly FindingGroup<Reported>[], shown: number, left: DriftReport['left']): string {
  const rule = DRIFT_COLUMNS.map(() => '---').join(' | ');
  const sections = driftSections(groups.slice(0, shown)).map(({ title, groups: parts }) => {
    const rows = parts.flatMap((part) => part.rows).map((row) => row.map(escape).join(' | '));
    const fixes = [...new Set(parts.map(({ fix }) => `- ${escape(fix)}\n`))];
    const lines = [DRIFT_COLUMNS.join(' | '), rule, ...rows];
    return `### ${title}\n\n${lines.map((line) => `| ${line} |\n`).join('')}\n${fixes.join('')}`;
  });
  const cut = groups.slice(shown);
  const findings = cut.reduce((sum, each) => sum + each.findings.length, left.findings);
  if (findings > 0) {
    const what = `${formatCount(findings, 'finding')} in ${formatCount(cut.length + left.groups, 'group')}`;
    sections.push(`And ${what} more, less severe or of fewer events.\n`);
  }
  return sections.join('\n');
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
