import type { PoolClient } from 'pg';
import type { Signature } from '../wire/message.ts';
import { CHANNEL } from './connection/listener.ts';
import type { Primary } from './connection/primary.ts';
import { storable } from './connection/storable.ts';
import type { Engine, PlacementRow, ReleaseRow, Workload } from './engine.ts';
import { SELECTED } from './host-store.ts';

const RELEASE = `id, workload, revision, digest, previous, manifest, signatures, plan, state, stage,
  stage_since AS "stageSince", reason, since`;
const PLACEMENT = 'release, host, stage, side, mode, state, error, since';

type Line = Omit<ReleaseRow, 'previous' | 'signatures'> & {
  previous: Buffer | null;
  signatures: { key: string; signature: string }[];
};

function releaseOf(line: Line): ReleaseRow {
  return {
    ...line,
    previous: line.previous ?? undefined,
    signatures: line.signatures.map(({ key, signature }) => ({
      key,
      signature: Buffer.from(signature, 'base64'),
    })),
  };
}

function signaturesJson(signatures: readonly Signature[]): string {
  return JSON.stringify(
    signatures.map(({ key, signature }) => ({ key, signature: signature.toString('base64') })),
  );
}

type NewRelease = Parameters<Engine['publish']>[0];
type Change = Parameters<Engine['advance']>[1];

/** Workloads, releases, and which host holds which. */
export class ReleaseStore {
  readonly #primary: Primary;

  constructor(primary: Primary) {
    this.#primary = primary;
  }

  async workloads(): Promise<Workload[]> {
    return this.#ask(
      'SELECT name, selector AS "select", position AS "order" FROM workload ORDER BY position, name',
      [],
    );
  }

  async setWorkload({ name, select, order }: Workload): Promise<void> {
    await this.#primary.transaction(async (client) => {
      await client.query('LOCK TABLE workload IN SHARE ROW EXCLUSIVE MODE');
      await client.query(
        `INSERT INTO workload (name, selector, position) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET selector = EXCLUDED.selector, position = EXCLUDED.position`,
        [name, JSON.stringify(select), order],
      );
      await client.query('SELECT FROM host ORDER BY id FOR NO KEY UPDATE');
      await client.query(
        `UPDATE host SET workload = ${SELECTED} WHERE workload IS DISTINCT FROM ${SELECTED}`,
      );
      await client.query(`NOTIFY ${CHANNEL}`);
    });
  }

  async publish(release: NewRelease, body: Buffer, now: number): Promise<ReleaseRow | undefined> {
    return this.#primary.transaction(async (client) => {
      // Two that publish for the same workload, one after the other.
      await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 1))', [release.workload]);
      const { rowCount } = await client.query(
        'SELECT FROM release WHERE workload = $1 AND revision >= $2 LIMIT 1',
        [release.workload, release.revision],
      );
      if (rowCount !== 0) return undefined;
      await client.query(
        `UPDATE release SET state = 'superseded', stage_since = $2
         WHERE workload = $1 AND state NOT IN ('done', 'rolled-back', 'superseded')`,
        [release.workload, now],
      );
      await client.query('INSERT INTO policy (digest, body) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
        release.digest,
        body,
      ]);
      return addRelease(client, release, now);
    });
  }

  async releases(workload?: string): Promise<ReleaseRow[]> {
    const rows = await this.#ask<Line>(
      `SELECT DISTINCT ON (workload) ${RELEASE} FROM release WHERE $1::text IS NULL OR workload = $1
       ORDER BY workload, revision DESC`,
      [workload ?? null],
    );
    return rows.map(releaseOf);
  }

  async body(digest: Buffer): Promise<Buffer | undefined> {
    return (await this.#ask<{ body: Buffer }>('SELECT body FROM policy WHERE digest = $1', [digest]))[0]
      ?.body;
  }

  async placements(release: number): Promise<PlacementRow[]> {
    return this.#ask(`SELECT ${PLACEMENT} FROM placement WHERE release = $1 ORDER BY host`, [release]);
  }

  async placement(release: number, host: string): Promise<PlacementRow | undefined> {
    return (
      await this.#ask<PlacementRow>(`SELECT ${PLACEMENT} FROM placement WHERE release = $1 AND host = $2`, [
        release,
        host,
      ])
    )[0];
  }

  async advance(release: ReleaseRow, change: Change, placements: readonly PlacementRow[]): Promise<boolean> {
    const next = { ...release, ...change };
    return this.#primary.transaction(async (client) => {
      const { rowCount } = await client.query(
        `UPDATE release SET state = $4, stage = $5, stage_since = $6, reason = $7, plan = $8
         WHERE id = $1 AND state = $2 AND stage = $3 AND stage_since = $9`,
        [
          release.id,
          release.state,
          release.stage,
          next.state,
          next.stage,
          next.stageSince,
          storable(next.reason),
          JSON.stringify(next.plan),
          release.stageSince,
        ],
      );
      if (rowCount === 0) return false;
      await place(client, placements);
      await client.query(`NOTIFY ${CHANNEL}`);
      return true;
    });
  }

  async setPlacement(placement: PlacementRow): Promise<void> {
    const { error, host, mode, release, side, since, stage, state } = placement;
    await this.#ask(
      `UPDATE placement SET state = $6, error = $7, since = $8
       WHERE release = $1 AND host = $2 AND stage = $3 AND side = $4 AND mode = $5`,
      [release, host, stage, side, mode, state, storable(error), since],
    );
  }

  async #ask<Row extends object>(text: string, values: unknown[]): Promise<Row[]> {
    return this.#primary.use(async (client) => (await client.query<Row>(text, values)).rows);
  }
}

async function addRelease(client: PoolClient, release: NewRelease, now: number): Promise<ReleaseRow> {
  const { rows } = await client.query<Line>(
    `INSERT INTO release (workload, revision, digest, previous, manifest, signatures, plan, stage_since, since)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) RETURNING ${RELEASE}`,
    [
      release.workload,
      release.revision,
      release.digest,
      release.previous ?? null,
      release.manifest,
      signaturesJson(release.signatures),
      JSON.stringify(release.plan),
      now,
    ],
  );
  const made = releaseOf(rows[0]!);
  await client.query(
    `INSERT INTO placement (release, host, stage, side, mode, state, error, since)
     SELECT $1, id, -1, 'new', 'monitor', 'waiting', '', $3 FROM host WHERE workload = $2 AND state <> 'revoked' ORDER BY id`,
    [made.id, release.workload, now],
  );
  await client.query(`NOTIFY ${CHANNEL}`);
  return made;
}

/** In one order, so that two of them never wait for each other. */
async function place(client: PoolClient, placements: readonly PlacementRow[]): Promise<void> {
  if (placements.length === 0) return;
  await client.query(
    `INSERT INTO placement (${PLACEMENT})
     SELECT r.* FROM jsonb_to_recordset($1::jsonb) AS r (release bigint, host uuid, stage int, side text, mode text, state text,
       error text, since bigint) ORDER BY release, host
     ON CONFLICT (release, host) DO UPDATE SET stage = EXCLUDED.stage, side = EXCLUDED.side, mode = EXCLUDED.mode,
       state = EXCLUDED.state, error = EXCLUDED.error, since = EXCLUDED.since`,
    [JSON.stringify(placements.map(({ error, ...rest }) => ({ ...rest, error: storable(error) })))],
  );
}
