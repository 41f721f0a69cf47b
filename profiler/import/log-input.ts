import { EXPORTED } from '../database/connection-column.ts';
import type { Input, InputRow } from './input.ts';
import { linesOf } from './lines.ts';
import type { LogFormat } from './log/log-format.ts';
import type { LogContext, LogReader, LogRow } from './log/log-reader.ts';
import { readerOf } from './log/reader-of.ts';
import { inputName } from './text-input.ts';

const COLUMNS = EXPORTED.map(({ name }) => name);

/** What another tool has written, as rows of our columns. */
export function logInput(file: string, format: LogFormat, context: LogContext): Input {
  const passed = new Map<string, number>();
  return {
    name: inputName(file),
    header: COLUMNS,
    cell: (text) => text,
    parts: rowsOf(file, readerOf(format, context), passed),
    unread: new Set(),
    passed,
    close: () => undefined,
  };
}

async function* rowsOf(
  file: string,
  reader: LogReader,
  passed: Map<string, number>,
): AsyncGenerator<InputRow[], void> {
  const take = (row: LogRow): InputRow[] => {
    if (!('passed' in row)) return [inputRow(row)];
    passed.set(row.passed, (passed.get(row.passed) ?? 0) + 1);
    return [];
  };
  for await (const lines of linesOf(file)) {
    yield lines.flatMap(({ line, long, text }) => {
      const rows: LogRow[] = long ? [{ line, problem: 'the line is too long' }] : reader.read(text, line);
      return rows.flatMap(take);
    });
  }
  yield reader.end().flatMap(take);
}

function inputRow(row: Exclude<LogRow, { passed: string }>): InputRow {
  const { line } = row;
  if ('problem' in row) return { line, fields: [], problem: row.problem };
  if ('undecided' in row) return { line, fields: [], problem: row.undecided, remedy: row.remedy };
  return { line, fields: COLUMNS.map((name) => row.cells[name] ?? ''), starts: [] };
}
