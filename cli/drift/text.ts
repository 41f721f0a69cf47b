import type { Drift } from '../../generator/drift/drift.ts';
import { DRIFT_COLUMNS, driftSections } from './row.ts';
import { formatTable } from '../terminal/table.ts';
import { paint } from '../../output/terminal.ts';
import { PLAIN_VIEW, type View } from '../terminal/view.ts';

/** FIRST, then LAST go where a terminal has no room for them. */
const OPTIONAL = [3, 4];

/** The drift as tables for a terminal; empty when there is none. */
export function driftText(drift: Drift, view: View = PLAIN_VIEW): string {
  const head = DRIFT_COLUMNS.map((column) => column.toUpperCase());
  return driftSections(drift)
    .map(
      ({ title, rows }) =>
        `${[paint(view.colour, 'bold', title), ...formatTable(head, rows, { view, indent: 2, optional: OPTIONAL })].join('\n')}\n`,
    )
    .join('\n');
}
