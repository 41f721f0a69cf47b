import type { Drift } from '../../generator/drift.ts';
import { DRIFT_COLUMNS, driftSections } from './drift-row.ts';
import { formatTable } from '../terminal/table.ts';

/** The drift as tables for a terminal; empty when there is none. */
export function driftText(drift: Drift): string {
  const head = DRIFT_COLUMNS.map((column) => column.toUpperCase());
  return driftSections(drift)
    .map(
      ({ title, rows }) => `${[title, ...formatTable(head, rows).map((line) => `  ${line}`)].join('\n')}\n`,
    )
    .join('\n');
}
