import type { ImportFormat } from './format.ts';
import type { LogContext } from './log/log-reader.ts';
import { linesOf, type TextLine } from './lines.ts';
import { logInput } from './log-input.ts';
import { CsvParser, type CsvRow } from '../event/csv.ts';
import { EXPORTED } from '../database/connection-column.ts';
import { readCell } from '../../error/visible.ts';
import { BouhekiError } from '../../error/error.ts';
import { parquetInput } from './parquet-input.ts';
import { headerProblem, isColumn, type RowProblem } from './row.ts';
import { inputName, textOf } from './text-input.ts';

/** A row as it stands in the file. `line`: of a Parquet file the number of the row; from 1. */
export interface InputRow extends CsvRow {
  /** Beside a problem: it is not that of the row alone, and this mends it. */
  remedy?: string;
}

/** What is to be imported, whatever its format. */
export interface Input {
  name: string;
  /** Names of the columns of rows. */
  header: readonly string[];
  /** What a field says. */
  cell(text: string): string;
  /** In parts, so that no row has to be waited for by itself. */
  parts: AsyncIterable<InputRow[]>;
  /** Columns that were come by and are not read. */
  unread: Set<string>;
  /** Lines that were understood and are no connections made from here, by what they are. */
  passed: ReadonlyMap<string, number>;
  close(): void;
}

/**
 * Opens a file (`-`: standard input). Throws BouhekiError `usage` when it can't be read or its columns do not
 * do, and `untrusted` for a file that others can write: a policy is made from what is imported.
 */
export async function openInput(file: string, format: ImportFormat, context: LogContext): Promise<Input> {
  switch (format) {
    case 'csv':
      return csvInput(file);
    case 'ndjson':
      return ndjsonInput(file);
    case 'parquet':
      return parquetInput(file);
    default:
      return logInput(file, format, context);
  }
}

/** A fault of a row, with its place. */
export function rowFault(
  name: string,
  { line, fields, starts }: InputRow,
  { field, message }: RowProblem,
  remedy = 'Mend the row, or leave bad rows out with --skip-bad.',
): BouhekiError {
  const before = fields.slice(0, field).reduce((sum, text) => sum + text.length + 1, 0);
  const column = 1 + (starts === undefined ? before : (starts[field] ?? 0));
  return new BouhekiError('usage', `${name}:${line}:${column}: ${message}`, {
    remedy: `${remedy} Nothing was imported.`,
  });
}

async function csvInput(file: string): Promise<Input> {
  const name = inputName(file);
  const parts = csvParts(file);
  const first = await parts.next();
  const [head, ...rest] = first.done === true ? [] : first.value;
  const header = head?.fields.map((field) => field.trim()) ?? [];
  const problem =
    head?.problem === undefined ? head && headerProblem(header) : { field: 0, message: head.problem };
  if (problem !== undefined) throw rowFault(name, head!, problem, 'Mend the first row.');
  const unread = new Set(header.filter((column) => column !== '' && !isColumn(column)));
  return {
    name,
    header,
    cell: readCell,
    parts: behind(rest, parts),
    unread,
    passed: new Map(),
    close: () => undefined,
  };
}

/** The first part is not empty. */
async function* csvParts(file: string): AsyncGenerator<CsvRow[], void> {
  const parser = new CsvParser();
  for await (const piece of textOf(file)) {
    const rows = [...parser.push(piece)];
    if (rows.length > 0) yield rows;
  }
  const rows = [...parser.end()];
  if (rows.length > 0) yield rows;
}

async function* behind<T>(first: T[], rest: AsyncIterable<T[]>): AsyncGenerator<T[], void> {
  yield first;
  yield* rest;
}

const COLUMNS = EXPORTED.map(({ name }) => name);

async function ndjsonInput(file: string): Promise<Input> {
  const unread = new Set<string>();
  const parts = ndjsonParts(file, unread);
  const first = await parts.next();
  return {
    name: inputName(file),
    header: COLUMNS,
    cell: (text) => text,
    parts: behind(first.done === true ? [] : first.value, parts),
    unread,
    passed: new Map(),
    close: () => undefined,
  };
}

async function* ndjsonParts(file: string, unread: Set<string>): AsyncGenerator<InputRow[], void> {
  const rowOf = ({ line, long, text }: TextLine): InputRow =>
    long ? { line, fields: [], problem: 'the line is too long' } : { line, ...ndjsonRow(text, unread) };
  for await (const lines of linesOf(file)) yield lines.map(rowOf);
}

/** The fields of an object, in the order of COLUMNS. */
function ndjsonRow(text: string, unread: Set<string>): Omit<InputRow, 'line'> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { fields: [], problem: 'the line is no JSON' };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { fields: [], problem: 'the line is no JSON object' };
  const row = value as Record<string, unknown>;
  for (const name of Object.keys(row)) if (!isColumn(name) && unread.size < MOST_UNREAD) unread.add(name);
  return {
    fields: COLUMNS.map((name) => (Object.hasOwn(row, name) ? fieldText(row[name]) : '')),
    starts: [],
  };
}

/** Names that are told of. */
const MOST_UNREAD = 100;

function fieldText(value: unknown): string {
  if (value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
