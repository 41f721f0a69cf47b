import { cutToWidth } from '../../../format/display-width.ts';
import { formatCount } from '../../../format/number.ts';
import { visible } from '../../../error/visible.ts';
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
import { formatTable } from '../../terminal/table.ts';
import { paint } from '../../../output/terminal.ts';
import { PLAIN_VIEW, type View } from '../../terminal/view.ts';

/** FIRST, then LAST, then ID go where a terminal has no room for them. */
const OPTIONAL = [3, 4, 5];

const OUTLIER_HEAD = OUTLIER_COLUMNS.map((column) => column.toUpperCase());
const CHANGE_HEAD = CHANGE_COLUMNS.map((column) => column.toUpperCase());

/** The drift as tables for a terminal; empty when there is none. */
export function driftText(
  { changes, groups, left, outliers = [] }: DriftReport,
  view: View = PLAIN_VIEW,
): string {
  const head = DRIFT_COLUMNS.map((column) => column.toUpperCase());
  const changed = changes.map(changeCells);
  const first = [
    paint(view.colour, 'bold', CHANGE_TITLE),
    ...formatTable(CHANGE_HEAD, changed, { view, indent: 2 }),
  ];
  const sections = driftSections(groups).map((section) => {
    const rows = section.groups.flatMap((group) => group.rows);
    const table = formatTable(head, rows, { view, indent: 2, optional: OPTIONAL });
    const fixes = [...new Set(section.groups.map(({ fix }) => `  fix: ${visible(fix)}`))].map((line) =>
      view.width === undefined ? line : cutToWidth(line, view.width),
    );
    return `${[paint(view.colour, 'bold', section.title), ...table, ...fixes].join('\n')}\n`;
  });
  if (changes.length > 0) sections.unshift(`${first.join('\n')}\n`);
  if (outliers.length > 0) {
    const table = formatTable(OUTLIER_HEAD, outliers.map(outlierCells), { view, indent: 2 });
    sections.push(`${[paint(view.colour, 'bold', OUTLIER_TITLE), ...table].join('\n')}\n`);
  }
  if (left.groups > 0) {
    const what = `${formatCount(left.findings, 'finding')} in ${formatCount(left.groups, 'group')}`;
    sections.push(`And ${what} more: --limit 0 shows all.\n`);
  }
  return sections.join('\n');
}
