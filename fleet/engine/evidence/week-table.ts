import type { PoolClient } from 'pg';
import { transact, type Primary } from '../connection/primary.ts';

/**
 * Held by who makes or drops the table of a week, and shared by who merges: an insert locks the week's table and then all of
 * evidence, a drop the other way round.
 */
const WEEKS_LOCK = 0x62_6f_75_03;
/** For readers to end, before a week is dropped; it is tried again later. Milliseconds. */
const DROP_TIMEOUT = 2000;
const LOCK_NOT_AVAILABLE = '55P03';

/** The part of `evidence` that has a week. */
export function weekTable(week: number): string {
  return `evidence_w${week}`;
}

/** Until the end of the transaction no week is made or dropped. */
export async function holdWeeks(client: PoolClient): Promise<void> {
  await client.query('SELECT pg_advisory_xact_lock_shared($1)', [WEEKS_LOCK]);
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
      // Of the catalogue itself: names that were looked up before may be remembered while waiting for the lock.
      const { rowCount } = await client.query(
        `SELECT FROM pg_class WHERE relname = $1 AND relnamespace = 'bouheki'::regnamespace`,
        [table],
      );
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
    for (const { week } of rows.filter(({ week }) => week < oldest)) await dropWeek(client, week);
    // A row of a kept week has raised the week of its subject and names before it was written. Rows that a merge has locked
    // are left for the next time: it locks them in another order.
    for (const [table, key] of [
      ['host_week', 'host, week'],
      ['subject', 'digest'],
      ['names', 'id'],
    ]) {
      await client.query(
        `DELETE FROM ${table} WHERE (${key}) IN (SELECT ${key} FROM ${table} WHERE week < $1 FOR UPDATE SKIP LOCKED)`,
        [oldest],
      );
    }
  });
}

async function dropWeek(client: PoolClient, week: number): Promise<void> {
  try {
    await transact(client, async () => {
      await client.query(`SET LOCAL lock_timeout = ${DROP_TIMEOUT}`);
      await client.query('SELECT pg_advisory_xact_lock($1)', [WEEKS_LOCK]);
      await client.query(`DROP TABLE IF EXISTS ${weekTable(week)}`);
    });
  } catch (error) {
    // Readers were longer than that.
    if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE) throw error;
  }
}
