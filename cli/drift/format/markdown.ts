import { formatCount } from '../../../format/number.ts';
import { escapeMarkdown, markdownTable } from '../../terminal/markdown.ts';
import type { DriftReport } from './report.ts';
import {
  CHANGE_COLUMNS,
  CHANGE_TITLE,
  changeCells,
  DRIFT_COLUMNS,
  driftSections,
  OUTLIER_COLUMNS,
  OUTLIER_TITLE,
  outlierCells,
} from './row.ts';

/** Characters that a comment on a pull request may have, less some room for what others put around it. */
const MOST_CHARACTERS = 60_000;

/** Subjects that are listed as changed. */
const MOST_CHANGES = 20;

/** The drift as Markdown, for a comment on a change; empty when there is none. Cut where a comment would be too long. */
export function driftMarkdown(report: DriftReport): string {
  const { changes, groups } = report;
  const list = (count: number): DriftReport['changes'] => changes.slice(0, count);
  // Subjects may have long names: at most half of it says what has changed.
  const most = mostThatFit(Math.min(changes.length, MOST_CHANGES), MOST_CHARACTERS / 2, (count) =>
    render({ ...report, changes: list(count), groups: [] }, 0),
  );
  const cut = { ...report, changes: list(most) };
  return render(
    cut,
    // The worst come first.
    mostThatFit(groups.length, MOST_CHARACTERS, (count) => render(cut, count)),
  );
}

/** How many of a list can be printed within so many characters, by bisection. */
function mostThatFit(all: number, characters: number, print: (count: number) => string): number {
  let [fits, over] = [0, all + 1];
  while (over - fits > 1) {
    const middle = Math.floor((fits + over) / 2);
    if (print(middle).length <= characters) fits = middle;
    else over = middle;
  }
  return fits;
}

function render({ changes, groups, left, outliers = [] }: DriftReport, shown: number): string {
  const sections = driftSections(groups.slice(0, shown)).map(({ title, groups: parts }) => {
    const rows = parts.flatMap((part) => part.rows);
    const fixes = [...new Set(parts.map(({ fix }) => `- ${escapeMarkdown(fix)}\n`))];
    return `### ${title}\n\n${markdownTable(DRIFT_COLUMNS, rows)}\n${fixes.join('')}`;
  });
  if (changes.length > 0) {
    const rows = changes.map(changeCells);
    sections.unshift(`### ${CHANGE_TITLE}\n\n${markdownTable(CHANGE_COLUMNS, rows)}`);
  }
  if (outliers.length > 0) {
    const rows = outliers.slice(0, MOST_CHANGES).map(outlierCells);
    sections.push(`### ${OUTLIER_TITLE}\n\n${markdownTable(OUTLIER_COLUMNS, rows)}`);
  }
  const cut = groups.slice(shown);
  const findings = cut.reduce((sum, each) => sum + each.findings.length, left.findings);
  if (findings > 0) {
    const what = `${formatCount(findings, 'finding')} in ${formatCount(cut.length + left.groups, 'group')}`;
    sections.push(`And ${what} more, less severe or of fewer events.\n`);
  }
  return sections.join('\n');
}
