import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';
import { BouhekiError } from '../../error/error.ts';
import { pathOf } from '../../host/descriptor.ts';
import { TrustedFile } from '../../host/trusted-file.ts';
import type { Input, InputRow } from './input.ts';
import { headerProblem, isColumn } from './row.ts';
import { cannotRead } from './text-input.ts';

/** No extension is fetched, and memory is bounded. */
const SETTINGS = {
  threads: '1',
  memory_limit: '512MB',
  temp_directory: '',
  autoinstall_known_extensions: 'false',
  autoload_known_extensions: 'false',
};

/**
 * A Parquet file, read by DuckDB through the descriptor that was checked: what lies at its name meanwhile
 * does not matter. Throws as `openInput`.
 */
export async function parquetInput(file: string): Promise<Input> {
  if (file === '-') {
    throw new BouhekiError('usage', 'a Parquet file cannot be read from standard input', {
      remedy: 'Name the file.',
    });
  }
  let opened: TrustedFile | undefined;
  let instance: DuckDBInstance | undefined;
  try {
    const source = (opened = TrustedFile.open(file));
    const database = (instance = await DuckDBInstance.create(':memory:', SETTINGS));
    const connection = await database.connect();
    const from = `FROM read_parquet('${pathOf(source.fd)}')`;
    const columns = await describe(connection, from);
    const header = columns.map(({ name }) => name).filter(isColumn);
    const problem = headerProblem(header);
    if (problem !== undefined) {
      throw new BouhekiError('usage', `${file}: ${problem.message}`, { remedy: 'Nothing was imported.' });
    }
    const cells = columns.filter(({ name }) => isColumn(name)).map(cellSql);
    return {
      name: file,
      header,
      cell: (text) => text,
      parts: partsOf(connection, `SELECT ${cells.join(', ')} ${from}`, file),
      unread: new Set(columns.map(({ name }) => name).filter((name) => !isColumn(name))),
      passed: new Map(),
      close: () => {
        connection.closeSync();
        database.closeSync();
        source[Symbol.dispose]();
      },
    };
  } catch (error) {
    instance?.closeSync();
    opened?.[Symbol.dispose]();
    throw error instanceof BouhekiError ? error : cannotRead(file, error);
  }
}

interface Column {
  name: string;
  type: string;
}

async function describe(connection: DuckDBConnection, from: string): Promise<Column[]> {
  const described = await connection.runAndReadAll(`DESCRIBE SELECT * ${from}`);
  return described.getRowsJS().map(([name, type]) => ({ name: String(name), type: String(type) }));
}

/** A column as text: of times the seconds since the epoch, with all digits. */
function cellSql({ name, type }: Column): string {
  const column = `"${name.replaceAll('"', '""')}"`;
  if (!type.startsWith('TIMESTAMP')) return `coalesce(${column}::VARCHAR, '')`;
  const micros = `epoch_us(${column})`;
  return `coalesce(concat(${micros} // 1000000, '.', lpad((${micros} % 1000000)::VARCHAR, 6, '0')), '')`;
}

async function* partsOf(
  connection: DuckDBConnection,
  sql: string,
  file: string,
): AsyncGenerator<InputRow[], void> {
  let line = 0;
  try {
    const result = await connection.stream(sql);
    for (;;) {
      const chunk = await result.fetchChunk();
      if (chunk === null || chunk.rowCount === 0) return;
      yield chunk.getRows().map((row) => {
        line += 1;
        return { line, fields: row.map(String), starts: [] };
      });
    }
  } catch (error) {
    throw cannotRead(file, error);
  }
}
