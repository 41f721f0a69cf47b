/** What a user may ask: nothing that does more than read the record. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { openDatabase } from '../../../../profiler/database/database.ts';
import { openReader } from '../../../../profiler/read/read.ts';
import { openRecorder } from '../../../../profiler/store/store.ts';
import { databaseFor } from '../fixture.ts';

const LOGGING = `enable_logging(level = 'trace', storage = 'file', storage_config = {'path': '/tmp/log'})`;

/** None of these may run, also not in part. */
const REFUSED = [
  'DELETE FROM event',
  "COPY event TO '/tmp/event.csv'",
  "COPY (SELECT 1) TO '/tmp/event.csv'",
  "ATTACH '/tmp/other.db'",
  'DETACH bouheki',
  'USE main',
  'INSTALL httpfs',
  'LOAD httpfs',
  'PRAGMA enable_profiling',
  'PRAGMA database_list',
  'SET threads = 2',
  'SET GLOBAL memory_limit = 1',
  'RESET threads',
  `CALL ${LOGGING}`,
  `SELECT * FROM ${LOGGING}`,
  'CALL range(3)',
  'CHECKPOINT',
  'FORCE CHECKPOINT',
  'VACUUM',
  'ANALYZE',
  "EXPORT DATABASE '/tmp/export'",
  "IMPORT DATABASE '/tmp/export'",
  'PREPARE x AS SELECT 1',
  'EXECUTE x',
  'DEALLOCATE x',
  'BEGIN',
  'COMMIT',
  'CREATE TABLE t (a INTEGER)',
  'CREATE TEMP TABLE t AS SELECT 1',
  'CREATE MACRO f() AS 1',
  "CREATE MACRO f() AS TABLE SELECT * FROM read_text('/etc/shadow')",
  'CREATE SECRET s (TYPE s3)',
  'DROP TABLE event',
  'ALTER TABLE event ADD COLUMN a INTEGER',
  'SELECT 1; CHECKPOINT',
  'EXPLAIN ANALYZE SELECT 1',
  'EXPLAIN (ANALYZE) SELECT 1',
  'EXPLAIN (FORMAT json) SELECT 1',
  'explain  analyze CHECKPOINT',
  'EXPLAIN SET threads = 2',
  `EXPLAIN CALL ${LOGGING}`,
  'EXPLAIN CHECKPOINT',
  '/* */ EXPLAIN ANALYZE SELECT 1',
  '/*/* */ EXPLAIN SELECT 1 --*/\nEXPLAIN ANALYZE SELECT 1',
  '-- EXPLAIN SELECT 1\nEXPLAIN ANALYZE SELECT 1',
  'EXPLAIN SELECT 1; CHECKPOINT',
  'SELECT 1\0; CHECKPOINT',
  "SELECT * FROM read_text('/etc/shadow')",
  "SELECT * FROM READ_BLOB('/etc/shadow')",
  "SELECT * FROM main.read_csv('/etc/passwd')",
  `SELECT * FROM "read_json"('/etc/passwd')`,
  "SELECT * FROM parquet_scan('/etc/passwd')",
  "SELECT * FROM sniff_csv('/etc/passwd')",
  "SELECT * FROM glob('/*')",
  "SELECT * FROM query('CHECKPOINT')",
  "SELECT * FROM query_table('event')",
  "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
  'SELECT * FROM duckdb_settings()',
  'SELECT * FROM duckdb_secrets()',
  'SELECT * FROM duckdb_logs()',
  'SELECT * FROM duckdb_logs',
  'FROM duckdb_logs',
  'SHOW duckdb_logs',
  'DESCRIBE duckdb_logs',
  'FROM system.main.duckdb_logs',
  'FROM pg_catalog.pg_settings',
  'FROM duckdb_databases',
  "SELECT getenv('HOME')",
  "SELECT current_setting('threads')",
  "SELECT Current_Setting('threads')",
  "SELECT write_log('x')",
  'SELECT pg_sleep(1000)',
  'SELECT sleep_ms(1000)',
  "SELECT nextval('s')",
  "SELECT (SELECT max(content) FROM read_text('/etc/shadow'))",
  "WITH a AS (SELECT * FROM read_text('/etc/shadow')) FROM a",
  "SELECT 1 WHERE EXISTS (FROM read_text('/etc/shadow'))",
  "SELECT * FROM range((SELECT count(*) FROM glob('/*')))",
  "SELECT 1 UNION ALL SELECT count(*) FROM glob('/*')",
  "SELECT list_transform([1], x -> getenv('HOME'))",
  "SELECT count(*) FILTER (getenv('HOME') = '') FROM event",
  "SELECT sum(1) OVER (ORDER BY getenv('HOME')) FROM event",
  "SELECT * FROM event ORDER BY getenv('HOME')",
  "SUMMARIZE FROM read_text('/etc/shadow')",
  "DESCRIBE FROM read_text('/etc/shadow')",
  "EXPLAIN FROM read_text('/etc/shadow')",
  "FROM '/etc/passwd'",
  "FROM 'https://example.com/x.parquet'",
];

/** What people ask. */
const ANSWERED = [
  'SELECT * FROM connections',
  'FROM connections LIMIT 3',
  'TABLE connections',
  'DESCRIBE connections',
  'DESCRIBE SELECT 1',
  'SHOW TABLES',
  'SHOW ALL TABLES',
  'SUMMARIZE event',
  'VALUES (1), (2)',
  'EXPLAIN SELECT * FROM connections',
  '  explain\nSELECT 1',
  '-- what for\nSELECT 1',
  'SELECT 1;',
  'WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 9) SELECT sum(n) FROM t',
  'SELECT list_transform(range(3), x -> x + 1), [x * 2 FOR x IN [1, 2]]',
  'SELECT unnest([1, 2]), random(), now(), version()',
  'SELECT * FROM range(3), unnest([1]), generate_series(1, 2)',
  "SELECT * FROM connections WHERE address = '10.0.0.1' AND exe LIKE '/usr/%' QUALIFY row_number() OVER () = 1",
  'SELECT time_bucket(INTERVAL 1 HOUR, time), count(*) FROM connections GROUP BY ALL ORDER BY ALL',
  'SELECT json_extract(ancestors, 0) FROM process',
  'SELECT column_name FROM duckdb_columns() UNION SELECT table_name FROM information_schema.tables',
  'SELECT name FROM sqlite_master',
  "SELECT strftime(time, '%H'), regexp_replace(exe, '/', '') FROM connections",
];

test('no statement of a user does more than read the record', async (t) => {
  const path = databaseFor(t);
  (await openRecorder(path)).close();
  const reader = await openReader(path, 'query');
  t.after(() => reader.close());
  for (const sql of REFUSED) {
    await assert.rejects(reader.query(sql), { name: 'BouhekiError', code: 'usage' }, sql);
  }
});

test('what people ask the record is answered, and where it can be explained it is', async (t) => {
  const path = databaseFor(t);
  (await openRecorder(path)).close();
  const reader = await openReader(path, 'query');
  t.after(() => reader.close());
  for (const sql of ANSWERED) assert.ok((await reader.query(sql)).columns.length > 0, sql);
});

test('DuckDB itself refuses other files and other settings, should a statement get there', async (t) => {
  const path = databaseFor(t);
  (await openRecorder(path)).close();
  for (const access of ['read', 'query'] as const) {
    const { connection, close } = await openDatabase(path, access);
    for (const sql of [
      'SET threads = 2',
      "SET GLOBAL memory_limit = '8GB'",
      'SET enable_external_access = true',
      "SELECT * FROM read_text('/etc/hostname')",
      "ATTACH '/tmp/other.db'",
      "COPY (SELECT 1) TO '/tmp/bouheki-test.csv'",
      'DELETE FROM event',
    ]) {
      await assert.rejects(
        connection.run(sql),
        /configuration|disabled|read-only|locked/,
        `${access}: ${sql}`,
      );
    }
    close();
  }
});
