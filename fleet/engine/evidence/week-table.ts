import type { PoolClient } from 'pg';
import { transact, type Primary } from '../connection/primary.ts';

/** Held by who makes or drops the table of a week. */
const WEEKS_LOCK = 0x62_6f_75_03;
/** For readers to end, before a week is dropped; it is tried again later. Milliseconds. */
const DROP_TIMEOUT = 2000;

/** The part of `evidence` that has a week. */
export function weekTable(week: number): string {
  return `evidence_w${week}`;
}

/** Makes the tables of weeks that have none. Readers and writers of the others go on. */
export async function makeWeeks(client: PoolClient, weeks: readonly number[]): Promise<void> {
  const { rows } = await client.query<{ week: number }>(
    `SELECT week FROM unnest($1::int[]) AS week WHERE to_regclass('bouheki.evidence_w' || week) IS NULL ORDER BY week`,
    [weeks],
  );
  for (const { week } of rows) {
    const table = weekTable(week);
    await transact(client, async () => {
      await client.query('SELECT pg_advisory_xact_lock($1)', [WEEKS_LOCK]);
      const { rowCount } = await client.query(`SELECT WHERE to_regclass('bouheki.${table}') IS NOT NULL`);
      if (rowCount !== 0) return;
      // Made apart and attached: made as a part at once, it would lock all of evidence.
      await client.query(`CREATE TABLE ${table} (LIKE evidence INCLUDING ALL)`);
      await client.query(`ALTER TABLE evidence ATTACH PARTITION ${table} FOR VALUES IN (${week})`);
    });
  }
}

/** Drops what is older than a week: evidence, what hosts could have seen, and subjects and names that only it had. */
export async function dropWeeksBefore(primary: Primary, oldest: number): Promise<void> {
  await primary.use(async (client) => {
    const { rows } = await client.query<{ week: number }>(
      `SELECT substring(relname FROM '\\d+$')::int AS week FROM pg_class
       WHERE relnamespace = 'bouheki'::regnamespace AND relkind = 'r' AND relname ~ '^evidence_w\\d+$'`,
    );
    for (const { week } of rows.filter(({ week }) => week < oldest)) {
      await transact(client, async () => {
        await client.query(`SET LOCAL lock_timeout = ${DROP_TIMEOUT}`);
        await client.query('SELECT pg_advisory_xact_lock($1)', [WEEKS_LOCK]);
        await client.query(`DROP TABLE IF EXISTS ${weekTable(week)}`);
      });
    }
    // A row of a kept week has raised the week of its subject and names before it was written.
    for (const table of ['host_week', 'subject', 'names']) {
      await client.query(`DELETE FROM ${table} WHERE week < $1`, [oldest]);
    }
  });
}
