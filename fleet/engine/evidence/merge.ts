import type { PoolClient } from 'pg';
import type { Batch, Receipt } from '../../wire/message.ts';
import { weekOf } from '../../wire/week.ts';
import { transact, type Primary } from '../connection/primary.ts';
import { emptyIntake, takeBatch, type EvidenceRow, type Intake, type RefusalReason } from './evidence-row.ts';
import { byteArray, listArray, textArray } from './sql-array.ts';
import { holdWeeks, makeWeeks, weekTable } from './week-table.ts';

/** How much is kept. */
export interface Kept {
  /** Before this one. */
  weeks: number;
  /** Of a host and week. */
  keys: number;
  /** And so many more of what was denied. */
  deniedKeys: number;
}

const UNDEFINED_TABLE = '42P01';
const TRIES = 5;

interface HostBatch {
  host: string;
  batch: Batch;
}

/**
 * Merges what hosts saw so far in a week: count by max, first by min, last by max, hours by OR. That is idempotent,
 * commutative and associative, so batches may come twice, late, or in any order. One transaction; locks are taken in the
 * order of hosts and weeks, so that two of them never wait for each other. `now` in milliseconds.
 */
export async function mergeBatches(
  primary: Primary,
  batches: readonly HostBatch[],
  kept: Kept,
  now: number,
): Promise<Receipt[]> {
  return primary.use(async (client) => {
    for (let left = TRIES; ; left--) {
      try {
        return await mergeOn(client, batches, kept, now);
      } catch (error) {
        // Another hub has dropped the week since it was made.
        if (left === 1 || (error as { code?: string }).code !== UNDEFINED_TABLE) throw error;
      }
    }
  });
}

async function mergeOn(
  client: PoolClient,
  batches: readonly HostBatch[],
  kept: Kept,
  now: number,
): Promise<Receipt[]> {
  const time = now * 1000;
  const limits = { now: time, oldestWeek: weekOf(time) - kept.weeks };
  const numbers = await hostNumbers(client, batches);
  const intake = emptyIntake();
  const taken = batches.map(({ host, batch }) => {
    const number = numbers.get(host);
    return number === undefined
      ? batch.rows.map((): { key?: string; reason?: RefusalReason } => ({ reason: 'host' }))
      : takeBatch(intake, number, batch, limits);
  });
  await makeWeeks(client, [...new Set([...intake.rows.values()].map(({ week }) => week))]);
  const subjects = await subjectNumbers(client, intake);
  await keepNames(client, intake);
  const refused = await transact(client, async () => {
    // A standby may lack it after a failure: agents send again what the engine's other timeline lost.
    await client.query('SET LOCAL synchronous_commit = local');
    await holdWeeks(client);
    return mergeIntake(client, intake, subjects, kept);
  });
  return taken.map((rows) => receiptOf(rows, refused));
}

function receiptOf(rows: { key?: string; reason?: RefusalReason }[], full: Set<string>): Receipt {
  const refused = rows.flatMap(({ key, reason = 'keys' }, row) =>
    key !== undefined && !full.has(key) ? [] : [{ row, reason }],
  );
  return { rows: rows.length - refused.length, refused, pace: null };
}

async function hostNumbers(client: PoolClient, batches: readonly HostBatch[]): Promise<Map<string, number>> {
  const { rows } = await client.query<{ id: string; number: number }>(
    `SELECT id, number FROM host WHERE id = ANY($1::uuid[]) AND state <> 'revoked'`,
    [[...new Set(batches.map(({ host }) => host))]],
  );
  return new Map(rows.map(({ id, number }) => [id, number]));
}

/**
 * The number of each subject, by its digest. It is asked of the server each time: after a fail-over another subject may
 * have the number.
 */
async function subjectNumbers(client: PoolClient, intake: Intake): Promise<Map<string, number>> {
  const wanted = [...intake.subjects.values()].sort((a, b) => a.digest.compare(b.digest));
  const ask = async () => {
    const { rows } = await client.query<{ id: number; digest: Buffer; week: number }>(
      'SELECT id, digest, week FROM subject WHERE digest = ANY($1::bytea[])',
      [byteArray(wanted.map(({ digest }) => digest))],
    );
    return new Map(rows.map(({ id, digest, week }) => [digest.toString('hex'), { id, week }]));
  };
  let known = await ask();
  const fresh = wanted.filter(({ digest, week }) => (known.get(digest.toString('hex'))?.week ?? -1) < week);
  if (fresh.length > 0) {
    await client.query(
      `INSERT INTO subject (digest, document, week)
       SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::int[]) AS r (digest, document, week) ORDER BY digest
       ON CONFLICT (digest) DO UPDATE SET week = EXCLUDED.week WHERE subject.week < EXCLUDED.week`,
      [
        byteArray(fresh.map(({ digest }) => digest)),
        byteArray(fresh.map(({ document }) => document)),
        fresh.map(({ week }) => week),
      ],
    );
    known = await ask();
  }
  return new Map([...known].map(([digest, { id }]) => [digest, id]));
}

async function keepNames(client: PoolClient, { nameSets }: Intake): Promise<void> {
  if (nameSets.size === 0) return;
  const all = [...nameSets.values()].map(({ id, names, week }) => ({ id: String(id), names, week }));
  await client.query(
    `INSERT INTO names (id, names, week)
     SELECT DISTINCT ON (r.id) r.id, r.names, r.week FROM jsonb_to_recordset($1::jsonb) AS r (id bigint, names jsonb, week int)
     WHERE NOT EXISTS (SELECT FROM names n WHERE n.id = r.id AND n.week >= r.week) ORDER BY r.id, r.week DESC
     ON CONFLICT (id) DO UPDATE SET week = EXCLUDED.week WHERE names.week < EXCLUDED.week`,
    [JSON.stringify(all)],
  );
}

/** Returns the keys of rows that are one too many for their host and week. */
async function mergeIntake(
  client: PoolClient,
  intake: Intake,
  subjects: ReadonlyMap<string, number>,
  kept: Kept,
): Promise<Set<string>> {
  const parts = new Map<string, { host: number; week: number; rows: [string, EvidenceRow][] }>();
  for (const { host, week } of intake.windows.values())
    parts.set(`${host} ${week}`, { host, week, rows: [] });
  for (const entry of intake.rows) {
    const { host, week } = entry[1];
    const part = parts.get(`${host} ${week}`) ?? { host, week, rows: [] };
    part.rows.push(entry);
    parts.set(`${host} ${week}`, part);
  }
  const numberOf = (row: EvidenceRow) => subjects.get(row.subject)!;
  const refused = new Set<string>();
  const keys = await lockHostWeeks(client, [...parts.values()], intake);
  for (const [name, { week, rows }] of parts) {
    const room = kept.keys - keys.get(name)!;
    if (rows.length <= room) continue;
    const known = await knownKeys(client, week, rows);
    const fresh = rows.filter(([, { key }]) => !known.has(key));
    for (const place of withoutRoom(fresh, room, kept.deniedKeys)) refused.add(place);
  }
  const weeks = new Map<number, EvidenceRow[]>();
  for (const { week, rows } of parts.values()) {
    const admitted = rows.filter(([place]) => !refused.has(place)).map(([, row]) => row);
    weeks.set(week, [...(weeks.get(week) ?? []), ...admitted]);
  }
  for (const [week, rows] of weeks) await mergeWeek(client, week, rows, numberOf);
  return refused;
}

/** The rows that are too many. Those that were allowed come first, but there is more room for those that were denied. */
function withoutRoom(fresh: readonly [string, EvidenceRow][], room: number, deniedKeys: number): string[] {
  const [allowed, denied] = [[] as string[], [] as string[]];
  for (const [place, { verdict }] of fresh) (verdict === 0 ? allowed : denied).push(place);
  const taken = Math.min(allowed.length, Math.max(room, 0));
  return [...allowed.slice(taken), ...denied.slice(Math.max(room + deniedKeys - taken, 0))];
}

/** Locks these hosts' weeks, in order, with what is said of them; returns how many keys each has. */
async function lockHostWeeks(
  client: PoolClient,
  parts: readonly { host: number; week: number }[],
  { windows }: Intake,
): Promise<Map<string, number>> {
  const all = parts.map(({ host, week }) => {
    const window = windows.get(`${host} ${week}`);
    return {
      host,
      week,
      recorded: window?.recorded ?? [0n, 0n, 0n],
      lost: window?.lost ?? 0,
      backend: window?.backend ?? '',
    };
  });
  const { rows } = await client.query<{ host: number; week: number; keys: number }>(
    `INSERT INTO host_week AS h (host, week, recorded_0, recorded_1, recorded_2, lost, backend)
     SELECT * FROM unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[])
       AS r (host, week, recorded_0, recorded_1, recorded_2, lost, backend) ORDER BY host, week
     ON CONFLICT (host, week) DO UPDATE SET
       recorded_0 = h.recorded_0 | EXCLUDED.recorded_0,
       recorded_1 = h.recorded_1 | EXCLUDED.recorded_1,
       recorded_2 = h.recorded_2 | EXCLUDED.recorded_2,
       lost = greatest(h.lost, EXCLUDED.lost),
       backend = greatest(h.backend, EXCLUDED.backend)
     RETURNING host, week, keys`,
    [
      listArray(all, ({ host }) => host),
      listArray(all, ({ week }) => week),
      ...[0, 1, 2].map((at) => listArray(all, ({ recorded }) => recorded[at]!)),
      listArray(all, ({ lost }) => lost),
      textArray(all.map(({ backend }) => backend)),
    ],
  );
  return new Map(rows.map(({ host, week, keys }) => [`${host} ${week}`, keys]));
}

/** Which of a host's rows in a week the engine has. */
async function knownKeys(
  client: PoolClient,
  week: number,
  rows: readonly [string, EvidenceRow][],
): Promise<Set<bigint>> {
  const { rows: known } = await client.query<{ key: string }>(
    `SELECT key::text FROM ${weekTable(week)} WHERE week = ${week} AND host = $1 AND key = ANY($2::bigint[])`,
    [rows[0]![1].host, listArray(rows, ([, { key }]) => key)],
  );
  return new Set(known.map(({ key }) => BigInt(key)));
}

type NumberOf = (row: EvidenceRow) => number;

/** The columns of evidence but for the week, and how rows are given as an array for each. */
const COLUMNS: Record<
  string,
  [type: string, array: (rows: readonly EvidenceRow[], numberOf: NumberOf) => string]
> = {
  host: ['int', (rows) => listArray(rows, ({ host }) => host)],
  key: ['bigint', (rows) => listArray(rows, ({ key }) => key)],
  subject: ['int', (rows, numberOf) => listArray(rows, numberOf)],
  address: ['bytea', (rows) => byteArray(rows.map(({ address }) => address))],
  port: ['int', (rows) => listArray(rows, ({ port }) => port)],
  protocol: ['smallint', (rows) => listArray(rows, ({ protocol }) => protocol)],
  socket: ['text', (rows) => textArray(rows.map(({ socket }) => socket))],
  verdict: ['smallint', (rows) => listArray(rows, ({ verdict }) => verdict)],
  revision: ['int', (rows) => listArray(rows, ({ revision }) => revision)],
  first: ['bigint', (rows) => listArray(rows, ({ first }) => first)],
  last: ['bigint', (rows) => listArray(rows, ({ last }) => last)],
  count: ['bigint', (rows) => listArray(rows, ({ count }) => count)],
  hours_0: ['bigint', (rows) => listArray(rows, ({ hours }) => hours[0])],
  hours_1: ['bigint', (rows) => listArray(rows, ({ hours }) => hours[1])],
  hours_2: ['bigint', (rows) => listArray(rows, ({ hours }) => hours[2])],
  names: ['bigint', (rows) => listArray(rows, ({ names }) => names)],
  name: ['bigint', (rows) => listArray(rows, ({ name }) => name)],
  known: ['smallint', (rows) => listArray(rows, ({ known }) => known)],
  age: ['int', (rows) => listArray(rows, ({ age }) => age)],
};

async function mergeWeek(
  client: PoolClient,
  week: number,
  rows: readonly EvidenceRow[],
  numberOf: NumberOf,
): Promise<void> {
  if (rows.length === 0) return;
  const columns = Object.keys(COLUMNS).join();
  const arrays = Object.values(COLUMNS).map(([type], at) => `$${at + 1}::${type}[]`);
  await client.query(
    `WITH merged AS (
       INSERT INTO ${weekTable(week)} AS e (week, ${columns})
       SELECT ${week}, r.* FROM unnest(${arrays.join()}) AS r (${columns}) ORDER BY host, key
       ON CONFLICT (host, week, key) DO UPDATE SET
         first = least(e.first, EXCLUDED.first),
         last = greatest(e.last, EXCLUDED.last),
         count = greatest(e.count, EXCLUDED.count),
         hours_0 = e.hours_0 | EXCLUDED.hours_0,
         hours_1 = e.hours_1 | EXCLUDED.hours_1,
         hours_2 = e.hours_2 | EXCLUDED.hours_2,
         age = greatest(e.age, EXCLUDED.age),
         names = CASE WHEN (EXCLUDED.last, EXCLUDED.names) > (e.last, e.names) THEN EXCLUDED.names ELSE e.names END
       WHERE EXCLUDED.first < e.first OR (EXCLUDED.last, EXCLUDED.names) > (e.last, e.names)
         OR EXCLUDED.count > e.count OR EXCLUDED.age > e.age OR EXCLUDED.hours_0 & ~e.hours_0 <> 0 OR EXCLUDED.hours_1 & ~e.hours_1 <> 0
         OR EXCLUDED.hours_2 & ~e.hours_2 <> 0
       RETURNING e.host, e.xmax = 0 AS fresh),
     added AS (SELECT host, count(*) AS keys FROM merged WHERE fresh GROUP BY host)
     UPDATE host_week h SET keys = h.keys + added.keys FROM added WHERE h.host = added.host AND h.week = ${week}`,
    Object.values(COLUMNS).map(([, array]) => array(rows, numberOf)),
  );
}
