import type { PoolClient } from 'pg';

/** Rows that are held in memory at a time. */
const PART = 2000;
/** Of one question. Milliseconds. */
export const TIMEOUT = 600_000;

/** What a question gives, in parts, within the transaction of the caller: one such question at a time. */
export async function* partsOf<Row extends object>(
  client: PoolClient,
  sql: string,
  values: unknown[],
): AsyncGenerator<Row[]> {
  await client.query(`DECLARE part NO SCROLL CURSOR FOR ${sql}`, values);
  for (;;) {
    const { rows } = await client.query<Row>({
      text: `FETCH ${PART} FROM part`,
      query_timeout: TIMEOUT,
    } as { text: string });
    if (rows.length === 0) break;
    yield rows;
  }
  await client.query('CLOSE part');
}
