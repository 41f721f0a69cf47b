import { StatementType, type DuckDBConnection, type DuckDBPreparedStatement } from '@duckdb/node-api';
import { BouhekiError } from '../../error/error.ts';

/**
 * Table functions that make rows of their arguments, or describe tables. The others read files, settings,
 * secrets or logs, write some of them, or run statements that they are given as text.
 */
const TABLE_FUNCTIONS = new Set([
  'duckdb_columns',
  'duckdb_constraints',
  'duckdb_functions',
  'duckdb_keywords',
  'duckdb_schemas',
  'duckdb_tables',
  'duckdb_types',
  'duckdb_views',
  'generate_series',
  'histogram',
  'histogram_values',
  'json_each',
  'json_tree',
  'pragma_show',
  'pragma_table_info',
  'pragma_version',
  'range',
  'repeat',
  'repeat_row',
  'show',
  'show_tables',
  'show_tables_expanded',
  'summary',
  'table_info',
  'unnest',
]);

/** Views of DuckDB's own that may be read; all those of `information_schema` may. */
const SYSTEM_VIEWS = new Set([
  'duckdb_columns',
  'duckdb_constraints',
  'duckdb_schemas',
  'duckdb_tables',
  'duckdb_types',
  'duckdb_views',
  'sqlite_master',
  'sqlite_schema',
]);

/** Of the functions that DuckDB calls volatile, those that only make a value up. */
const HARMLESS = new Set(['gen_random_uuid', 'random', 'uuid', 'uuidv4', 'uuidv7']);

/** Other functions that ask for settings, sleep, or look into statements. */
const REFUSED = ['current_setting', 'getenv', 'getvariable', 'json_serialize_plan', 'pg_sleep', 'sleep_ms'];

const VOLATILE = `
  SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability = 'VOLATILE' OR has_side_effects`;
const SYSTEM = `SELECT view_name FROM duckdb_views() WHERE internal AND schema_name <> 'information_schema'`;

/**
 * Prepares one statement of a user's own. Throws BouhekiError `usage` unless it reads: SELECT in any of its
 * forms, or EXPLAIN of one without ANALYZE, which would run it; with functions and tables of the lists above.
 * What it is comes from DuckDB's parser, not from its text. Errors are DuckDB's own otherwise.
 */
export async function prepareChecked(
  connection: DuckDBConnection,
  sql: string,
): Promise<DuckDBPreparedStatement> {
  // DuckDB takes the text up to there, and would be asked about another one.
  if (sql.includes('\0')) throw new BouhekiError('usage', 'a statement has no NUL character');
  const statements = await connection.extractStatements(sql);
  if (statements.count !== 1) throw new BouhekiError('usage', 'only one statement can be asked at a time');
  // Only as the very first word: comments nest in DuckDB, and what follows one must be what DuckDB reads too.
  const explained = /^[ \t\r\n]*explain\b/i.exec(sql);
  const tree = await treeOf(connection, explained === null ? sql : sql.slice(explained[0].length));
  if (tree === undefined) throw onlyReading();
  refuseForeign(tree, {
    functions: new Set([
      ...REFUSED,
      ...(await texts(connection, VOLATILE)).filter((name) => !HARMLESS.has(name)),
    ]),
    tables: new Set((await texts(connection, SYSTEM)).filter((name) => !SYSTEM_VIEWS.has(name))),
  });
  const statement = await statements.prepare(0);
  const expected = explained === null ? StatementType.SELECT : StatementType.EXPLAIN;
  if (statement.statementType === expected) return statement;
  statement.destroySync();
  throw onlyReading();
}

/** What DuckDB's parser makes of a SELECT; undefined for every other statement. */
async function treeOf(connection: DuckDBConnection, sql: string): Promise<unknown> {
  const [text] = await texts(connection, 'SELECT json_serialize_sql($1::VARCHAR)', [sql]);
  const { error, statements } = JSON.parse(text!) as { error: boolean; statements?: unknown[] };
  return error ? undefined : statements;
}

async function texts(connection: DuckDBConnection, sql: string, values: string[] = []): Promise<string[]> {
  const result = await connection.runAndReadAll(sql, values);
  return result.getRowsJS().map(([text]) => String(text));
}

interface Foreign {
  functions: ReadonlySet<string>;
  tables: ReadonlySet<string>;
}

/** Walks a tree of unknown shape: everything with a name is looked at, wherever DuckDB puts it. */
function refuseForeign(node: unknown, foreign: Foreign): void {
  if (typeof node !== 'object' || node === null) return;
  if (!Array.isArray(node)) {
    const { type, function: called, function_name: name, table_name: table } = node as Node;
    if (type === 'TABLE_FUNCTION') {
      const function_ = String(called?.function_name).toLowerCase();
      if (!TABLE_FUNCTIONS.has(function_)) throw refused(`the table function ${function_}`);
      // Its name is judged; its arguments may hold more.
      refuseForeign(called?.children, foreign);
      return;
    }
    if (name !== undefined && foreign.functions.has(name.toLowerCase()))
      throw refused(`the function ${name}`);
    if (table !== undefined && foreign.tables.has(bare(table))) throw refused(bare(table));
  }
  for (const child of Object.values(node)) refuseForeign(child, foreign);
}

interface Node {
  type?: string;
  function?: { function_name?: string; children?: unknown };
  function_name?: string;
  table_name?: string;
}

/** `SHOW x` has the name in quotes. */
function bare(name: string): string {
  return name.replaceAll('"', '').toLowerCase();
}

function onlyReading(): BouhekiError {
  return new BouhekiError('usage', 'the record can only be read', {
    remedy: 'Ask with SELECT, WITH, VALUES, DESCRIBE, SUMMARIZE, SHOW, or EXPLAIN without ANALYZE.',
  });
}

function refused(what: string): BouhekiError {
  return new BouhekiError('usage', `${what} can't be used here`, {
    remedy:
      'The record and functions of values can be asked, but no files, settings, logs or other statements.',
  });
}
