import { DuckDBInstance } from '@duckdb/node-api';
import { SocketKind } from '../../bpf/wire.ts';
import { needsCells, printCell } from '../../error/visible.ts';
import { storeFailure } from '../database/failure.ts';
import { CsvParser } from '../event/csv.ts';
import { COLUMNS, type ColumnName } from '../event/row.ts';
import { withPrivateFiles } from '../database/private-files.ts';

/** A SocketKind by its name. */
const SOCKET = `CASE e.port ${Object.entries(SocketKind)
  .map(([name, kind]) => `WHEN ${kind} THEN '${name}'`)
  .join(' ')} ELSE 'other' END`;

/** In a container the names of its host are somebody else's. */
const NAMES = ['user_name', 'euser_name', 'group_name', 'egroup_name']
  .map((name) => `CASE WHEN NOT in_container(p.container, p.flags) THEN k.${name} END AS ${name}`)
  .join(', ');

/**
 * Every recorded connection as a row with the columns of an import: a single one, or the equal ones of an hour. A socket
 * that was opened and has no destination has its kind instead. $1 since, $2 until: as in observation-sql.ts.
 */
const ROWS = `
  SELECT strftime(make_timestamp(e.time), '%Y-%m-%dT%H:%M:%S.%fZ') AS ts, r.host,
    CASE WHEN e.folded THEN NULL ELSE p.pid END AS pid, coalesce(m.text, '') AS comm, p.exe, p.script,
    k.uid, k.euid, k.fsuid, k.gid, k.egid, k.fsgid, ${NAMES},
    coalesce(c.name, left(c.container_id, 12),
      CASE WHEN in_container(p.container, p.flags) THEN '(unknown)' END) AS container, c.image,
    CASE WHEN e.family > 0 THEN address_text(e.family, e.address_high, e.address_low) END AS addr,
    CASE WHEN e.family > 0 THEN e.port END AS port, protocol_text(e.protocol) AS protocol,
    e.count, CASE e.operation WHEN 0 THEN 'connect' WHEN 1 THEN 'send' WHEN 2 THEN 'intent' ELSE 'open' END AS operation,
    CASE e.verdict WHEN 0 THEN 'allow' ELSE 'deny' END AS verdict,
    CASE WHEN e.family = 0 THEN ${SOCKET} END AS socket, ancestor_text(p.ancestors) AS ancestors
  FROM (
    SELECT *, 1::BIGINT AS count, false AS folded FROM event WHERE time >= $1 AND time < $2
    UNION ALL BY NAME
    SELECT * EXCLUDE (first, last), first AS time, true AS folded FROM hourly WHERE last >= $1 AND first < $2) e
  JOIN recording r ON r.id = e.recording
  LEFT JOIN process p ON p.recording = e.recording AND p.id = e.process
  LEFT JOIN command m ON m.recording = e.recording AND m.id = e.command
  LEFT JOIN credential_now k ON k.recording = e.recording AND k.id = e.credential
  LEFT JOIN container_now c ON c.recording = p.recording AND c.id = p.container`;

/** Columns whose text comes from outside and may hold commas, quotes and ends of lines. */
const FREE: ReadonlySet<ColumnName> = new Set([
  'host',
  'comm',
  'exe',
  'script',
  'user_name',
  'euser_name',
  'group_name',
  'egroup_name',
  'container',
  'image',
  'ancestors',
]);

function csvCell(name: ColumnName): string {
  if (!FREE.has(name)) return `coalesce(${name}::VARCHAR, '')`;
  const quoted = `concat('"', replace(${name}, '"', '""'), '"')`;
  return `CASE WHEN regexp_matches(${name}, '[,"\\r\\n]') THEN ${quoted} ELSE coalesce(${name}, '') END`;
}

/** Statements that give each row as one line of text. */
export const LINES = {
  csv: `SELECT concat_ws(',', ${COLUMNS.map(csvCell).join(', ')}) FROM (${ROWS})`,
  ndjson: `SELECT to_json({${COLUMNS.map((name) => `${name}: ${name}`).join(', ')}})::VARCHAR FROM (${ROWS})`,
} as const;

/** A line of CSV with cells that neither drive a terminal nor are formulas of a spreadsheet; `import` takes that back. */
export function visibleRow(line: string): string {
  if (!needsCells(line)) return line;
  const parser = new CsvParser();
  const [row] = [...parser.push(`${line}\n`), ...parser.end()];
  return row!.fields.map(printCell).join(',');
}

/** The first line of a CSV export. */
export const CSV_HEADER = COLUMNS.join(',');

const TYPES: Readonly<Record<ColumnName, string>> = {
  ts: 'TIMESTAMP',
  host: 'VARCHAR',
  pid: 'INTEGER',
  comm: 'VARCHAR',
  exe: 'VARCHAR',
  script: 'VARCHAR',
  uid: 'UINTEGER',
  euid: 'UINTEGER',
  fsuid: 'UINTEGER',
  gid: 'UINTEGER',
  egid: 'UINTEGER',
  fsgid: 'UINTEGER',
  user_name: 'VARCHAR',
  euser_name: 'VARCHAR',
  group_name: 'VARCHAR',
  egroup_name: 'VARCHAR',
  container: 'VARCHAR',
  image: 'VARCHAR',
  addr: 'VARCHAR',
  port: 'USMALLINT',
  protocol: 'VARCHAR',
  count: 'BIGINT',
  operation: 'VARCHAR',
  verdict: 'VARCHAR',
  socket: 'VARCHAR',
  ancestors: 'VARCHAR',
};

/** Paths for the making of a Parquet file. `spill` is a directory that is made where memory does not do. */
export interface ParquetPaths {
  csv: string;
  parquet: string;
  spill: string;
}

/** Makes a Parquet file of a CSV export. Throws BouhekiError that calls it `name` when it cannot be written. */
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
    const columns = COLUMNS.map((name) => `${name}: '${TYPES[name]}'`).join(', ');
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
