import { DuckDBInstance } from '@duckdb/node-api';
import assert from 'node:assert/strict';
import test from 'node:test';
import { migrate } from '../../../../profiler/database/database.ts';
import { CELL_COLUMNS } from '../../../../profiler/database/name-cells.ts';
import { EVENT, sqlNames } from '../../../../profiler/event/columns.ts';

test('cells and batches are in the order of the columns of their tables', async () => {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await migrate(connection, ':memory:');
  for (const [table, columns] of Object.entries({ ...CELL_COLUMNS, event: sqlNames(EVENT) })) {
    const rows = await connection.runAndReadAll(
      'SELECT column_name FROM duckdb_columns() WHERE table_name = $1 ORDER BY column_index',
      [table],
    );
    assert.deepEqual(
      rows.getRowsJS().map(([name]) => name),
      ['recording', ...columns],
      table,
    );
  }
  connection.closeSync();
  instance.closeSync();
});
