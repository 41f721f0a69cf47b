import type { DuckDBConnection } from '@duckdb/node-api';
import { SHARED_MEMORY } from '../database/allowance.ts';
import { connectionRows } from '../database/connection-column.ts';

/**
 * What makes two rows the same: who went where, when, and how often. Whether a denial stopped anything is not
 * in exports of before.
 */
const KEY = `hash(r.host, e.time, m.text, p.exe, c.name, k.uid, k.euid, k.gid, e.family, e.address_high,
  e.address_low, e.port, e.protocol, e.operation, e.verdict > 0, e.count)`;

const keys = (recordings: string, time: string, first: string, last: string): string =>
  `SELECT ${KEY} AS key FROM ${connectionRows(`${recordings} AND ${time}`, `${recordings} AND ${last} AND ${first}`)}`;

/**
 * How many rows of the recordings behind `before` are those of recordings up to there, whatever file, format
 * or order they came in; one that was recorded and exported is one too. Only what lies in the same time is
 * compared. Raises the limit of memory: rows that are not committed leave too little of a recorder's.
 */
export async function countKnown(
  connection: DuckDBConnection,
  before: number,
  span: { first: number; last: number },
): Promise<number> {
  const [first, last] = [`first <= ${span.last}`, `last >= ${span.first}`];
  const time = `time BETWEEN ${span.first} AND ${span.last}`;
  await connection.run(`SET memory_limit = '${SHARED_MEMORY}'`);
  const counted = await connection.runAndReadAll(
    `SELECT count(*)::INTEGER FROM (${keys(`recording > ${before}`, time, first, last)})
    WHERE key IN (${keys(`recording <= ${before}`, time, first, last)})`,
  );
  return Number(counted.getRowsJS()[0]![0]);
}
