import { printJson } from '../../error/visible.ts';
import type { QueryResult } from '../../profiler/read/read.ts';
import { formatTable } from '../terminal/table.ts';
import type { View } from '../terminal/view.ts';

/** The answer to a query for people. */
export function asTable({ columns, rows }: QueryResult, view: View): string {
  return formatTable(
    columns,
    rows.map((row) => row.map(cell)),
    { view },
  )
    .map((line) => `${line}\n`)
    .join('');
}

/** The answer to a query as one JSON object a row. */
export function asJson({ columns, rows }: QueryResult): string {
  return rows
    .map((row) => `${printJson(Object.fromEntries(columns.map((name, index) => [name, row[index]])))}\n`)
    .join('');
}

function cell(value: unknown): string {
  if (value === null) return '-';
  return typeof value === 'object' ? printJson(value) : String(value);
}
