import { mutatedText } from '../policy-mutation.ts';

/** What readers ask, and what they should not get away with: settings, files, logging, memory, endless work. */
const SOIL = [
  'SELECT command, count(*) FROM connections GROUP BY ALL ORDER BY 2 DESC LIMIT 5',
  "SELECT * FROM connections WHERE address = '10.0.1.2' AND time > now() - INTERVAL 1 HOUR",
  'WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 1000000) SELECT max(n) FROM r',
  "SELECT repeat('x', 2000000000)",
  'SELECT count(*) FROM range(3000000) a, range(3000000) b',
  'EXPLAIN ANALYZE SELECT 1',
  'EXPLAIN ANALYZE CHECKPOINT',
  "EXPLAIN ANALYZE SET GLOBAL memory_limit = '1MB'",
  "EXPLAIN ANALYZE CALL enable_logging(level = 'trace', storage = 'file')",
  "SELECT * FROM enable_logging(level = 'trace', storage = 'file', storage_config = {'path': '/tmp/l'})",
  "CALL enable_logging('QueryLog', storage = 'stdout')",
  "SELECT * FROM read_csv('/etc/passwd')",
  "COPY (SELECT 1) TO '/tmp/fuzz.csv'",
  "ATTACH '/tmp/fuzz.duckdb' AS other",
  "PRAGMA memory_limit = '1MB'; SELECT 1",
  'SET threads = 1; DELETE FROM event; DROP TABLE recording',
  "SELECT getenv('HOME'), current_setting('memory_limit'), pragma_database_size()",
  "SELECT list_sort(range(5000000)), regexp_matches(repeat('a', 5000), '(a+)+b')",
  "SELECT 'a'::INTEGER, 1/0, '\\x00'::BLOB, [1, {'a': NULL}], TIMESTAMP 'infinity', 1e400",
  'FROM duckdb_secrets(), duckdb_settings(), duckdb_extensions() LIMIT 3',
];

/** A statement with some things wrong, or with nothing wrong but what it asks. */
export function mutatedSql(random: () => number): string {
  return random() < 0.3 ? SOIL[Math.floor(random() * SOIL.length)]! : mutatedText(random, SOIL);
}
