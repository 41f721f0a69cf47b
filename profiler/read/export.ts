import { DuckDBInstance } from '@duckdb/node-api';
import { needsCells, printCell } from '../../error/visible.ts';
import {
  type ColumnName,
  connectionRows,
  EXPORTED,
  type ExportedColumn,
} from '../database/connection-column.ts';
import { storeFailure } from '../database/failure.ts';
import { CsvParser } from '../event/csv.ts';
import { withPrivateFiles } from '../database/private-files.ts';

/**
 * Every recorded connection as a row with the columns of an import: a single one, or the equal ones of an
 * hour. A socket that was opened and has no destination has its kind instead. $1 since, $2 until: as in
 * observation-sql.ts.
 */
const ROWS = `
  SELECT ${EXPORTED.map(({ name, sql }) => `${sql} AS ${name}`).join(', ')}
  FROM ${connectionRows('time >= $1 AND time < $2', 'last >= $1 AND first < $2')}`;

function csvCell({ free, name }: ExportedColumn): string {
  if (!free) return `coalesce(${name}::VARCHAR, '')`;
  const quoted = `concat('"', replace(${name}, '"', '""'), '"')`;
  return `CASE WHEN regexp_matches(${name}, '[,"\\r\\n]') THEN ${quoted} ELSE coalesce(${name}, '') END`;
}

/** Statements that give each row as one line of text. */
export const LINES = {
  csv: `SELECT concat_ws(',', ${EXPORTED.map(csvCell).join(', ')}) FROM (${ROWS})`,
  ndjson: `SELECT to_json({${EXPORTED.map(({ name }) => `${name}: ${name}`).join(', ')}})::VARCHAR FROM (${ROWS})`,
} as const;

/**
 * A line of CSV with cells that neither drive a terminal nor are formulas of a spreadsheet; `import` takes
 * that back.
 */
export function visibleRow(line: string): string {
  if (!needsCells(line)) return line;
  const parser = new CsvParser();
  const [row] = [...parser.push(`${line}\n`), ...parser.end()];
  return row!.fields.map(printCell).join(',');
}

/** The first line of a CSV export. */
export const CSV_HEADER = EXPORTED.map(({ name }) => name).join(',');

/** A row of an export that is not of a record. What is absent is not known. */
export type ExportedRow = { readonly [Name in ColumnName]?: string | number | boolean };

/** A row as a line of CSV or of NDJSON, as `LINES` gives one of a record. */
export const EXPORTED_LINE = {
  csv: (row: ExportedRow): string => EXPORTED.map(({ name }) => cellOf(row[name])).join(','),
  ndjson: (row: ExportedRow): string =>
    JSON.stringify(Object.fromEntries(EXPORTED.map(({ name }) => [name, row[name] ?? null]))),
} as const;

function cellOf(value: string | number | boolean = ''): string {
  const text = String(value);
  return /[,"\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Paths for the making of a Parquet file. `spill` is a directory that is made where memory does not do. */
export interface ParquetPaths {
  csv: string;
  parquet: string;
  spill: string;
}

/**
 * Makes a Parquet file of a CSV export. Throws BouhekiError that calls it `name` when it cannot be written.
 */
export async function csvToParquet({ csv, parquet, spill }: ParquetPaths, name: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: '2',
    memory_limit: '512MB',
    temp_directory: spill,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  });
  const connection = await instance.connect();
  try {
    const columns = EXPORTED.map(({ name, type }) => `${name}: '${type}'`).join(', ');
    await withPrivateFiles(() =>
      connection.run(
        `COPY (FROM read_csv(${literal(csv)}, header = true, auto_detect = false, delim = ',', quote = '"',
        escape = '"', columns = {${columns}}, max_line_size = 16777216))
      TO ${literal(parquet)} (FORMAT parquet, COMPRESSION zstd)`,
      ),
    );
  } catch (error) {
    throw storeFailure(error, name);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
