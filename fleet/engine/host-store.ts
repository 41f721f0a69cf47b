import { randomUUID } from 'node:crypto';
import type { PoolClient } from 'pg';
import type { HostState } from '../wire/message.ts';
import type { Primary } from './connection/primary.ts';
import { storable, storableNumber } from './connection/storable.ts';
import type { HostRow, NewHost, Sighting, Token } from './engine.ts';

const COLUMNS = `id, name, labels, workload, state, clone, machine_id AS "machineId", key_hash AS "keyHash",
  public_key AS "publicKey", serial, previous_serial AS "previousSerial", certificate_ends AS "certificateEnds", enrolled,
  last_seen AS "lastSeen", agent_version AS "agentVersion", features, skew, revision, digest, mode, stale, fallback, lost,
  unsent_rows AS "unsentRows", new_denied_keys AS "newDeniedKeys", breaker_trips AS "breakerTrips"`;

/** The first workload in order whose labels a host has. */
export const SELECTED = `(SELECT w.name FROM workload w WHERE host.labels @> w.selector ORDER BY w.position, w.name LIMIT 1)`;

type Line = Omit<HostRow, 'workload' | 'previousSerial'> & {
  workload: string | null;
  previousSerial: string | null;
};

function hostOf(line: Line): HostRow {
  return { ...line, workload: line.workload ?? undefined, previousSerial: line.previousSerial ?? undefined };
}

/** Hosts and the tokens that they enrol with. */
export class HostStore {
  readonly #primary: Primary;

  constructor(primary: Primary) {
    this.#primary = primary;
  }

  async addToken({ hash, labels, uses, expires }: Token): Promise<void> {
    await this.#ask(
      `INSERT INTO token (hash, labels, uses, expires) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
      [hash, JSON.stringify(labels), uses, expires],
    );
  }

  /** See Engine. A reserved use is never given to another key: only then can no token be used more often than it says. */
  async enrol(tokenHash: string, host: NewHost, now: number): Promise<HostRow | undefined> {
    return this.#primary.transaction(async (client) => {
      // Else a workload that changes now could miss this host.
      await client.query('LOCK TABLE workload IN SHARE MODE');
      // Two calls with the same key, or the same token, one after the other; in the order of `used`.
      await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [host.keyHash]);
      const known = await client.query<Known>(
        'SELECT id, token, used, state FROM host WHERE key_hash = $1 FOR UPDATE',
        [host.keyHash],
      );
      const tokens = await client.query<UsableToken>(
        `SELECT labels, expires > $2 AS valid, reserved + spent < uses AS left FROM token WHERE hash = $1 FOR UPDATE`,
        [tokenHash, now],
      );
      return join(
        client,
        { ...host, token: tokenHash },
        { known: known.rows[0], token: tokens.rows[0] },
        now,
      );
    });
  }

  async issued(host: string, serial: string, ends: number): Promise<void> {
    await this.#ask(
      `UPDATE host SET previous_serial = nullif(serial, ''), serial = $2, certificate_ends = $3 WHERE id = $1 AND serial <> $2`,
      [host, serial, ends],
    );
  }

  async used(host: string): Promise<void> {
    await this.#ask(
      `WITH first AS (UPDATE host SET used = true WHERE id = $1 AND NOT used RETURNING token)
       UPDATE token SET reserved = reserved - 1, spent = spent + 1 FROM first WHERE hash = first.token`,
      [host],
    );
  }

  async host(id: string): Promise<HostRow | undefined> {
    return (await this.#hosts('id = $1', [id]))[0];
  }

  async hosts(workload?: string): Promise<HostRow[]> {
    return workload === undefined ? this.#hosts('true', []) : this.#hosts('workload = $1', [workload]);
  }

  async hostsNamed(name: string): Promise<HostRow[]> {
    return this.#hosts('name = $1', [name]);
  }

  async setHostState(id: string, state: HostState): Promise<void> {
    await this.#ask('UPDATE host SET state = $2 WHERE id = $1', [id, state]);
  }

  async setClone(id: string, clone: boolean): Promise<void> {
    await this.#ask('UPDATE host SET clone = $2 WHERE id = $1', [id, clone]);
  }

  /** Many in one statement: a write for each sign of life is what databases of others died of. */
  async sighted(sightings: readonly Sighting[]): Promise<void> {
    const all = sightings.map(storableSighting);
    await this.#primary.transaction(async (client) => {
      await client.query('SET LOCAL synchronous_commit = off');
      // In one order, so that two hubs never wait for each other.
      await client.query('SELECT FROM host WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE', [
        all.map(({ host }) => host),
      ]);
      await client.query(
        `UPDATE host SET last_seen = s.seen, agent_version = s."agentVersion", features = s.features, skew = s.skew,
           revision = s.revision, digest = decode(s.digest, 'hex'), mode = s.mode, stale = s.stale, fallback = s.fallback,
           lost = s.lost, unsent_rows = s."unsentRows", new_denied_keys = s."newDeniedKeys", breaker_trips = s."breakerTrips"
         FROM (SELECT DISTINCT ON (host) * FROM jsonb_to_recordset($1::jsonb) AS r (host uuid, seen bigint, "agentVersion" text,
           features jsonb, skew bigint, revision bigint, digest text, mode text, stale boolean, fallback boolean, lost bigint,
           "unsentRows" bigint, "newDeniedKeys" bigint, "breakerTrips" bigint) ORDER BY host, seen DESC) s
         WHERE host.id = s.host AND host.last_seen <= s.seen`,
        [JSON.stringify(all)],
      );
    });
  }

  async #hosts(condition: string, values: unknown[]): Promise<HostRow[]> {
    const rows = await this.#ask<Line>(
      `SELECT ${COLUMNS} FROM host WHERE ${condition} ORDER BY name, id`,
      values,
    );
    return rows.map(hostOf);
  }

  async #ask<Row extends object>(text: string, values: unknown[]): Promise<Row[]> {
    return this.#primary.use(async (client) => (await client.query<Row>(text, values)).rows);
  }
}

/** A host that has the key of a call already. */
interface Known {
  id: string;
  token: string | null;
  /** The certificate that this token gave was used. */
  used: boolean;
  state: HostState;
}

interface UsableToken {
  labels: unknown;
  valid: boolean;
  left: boolean;
}

type Joining = NewHost & { token: string };

/** A key alone opens nothing: one that was copied from a disk long ago would be worth a certificate for ever. */
async function join(
  client: PoolClient,
  host: Joining,
  { known, token }: { known: Known | undefined; token: UsableToken | undefined },
  now: number,
): Promise<HostRow | undefined> {
  if (known?.state === 'revoked') return readHost(client, known.id);
  if (token?.valid !== true) return undefined;
  if (known !== undefined && known.token === host.token && !known.used) {
    // Its answer was lost, and the use is reserved for it already.
    await client.query('UPDATE host SET name = $2, machine_id = $3, agent_version = $4 WHERE id = $1', [
      known.id,
      ...saidBy(host),
    ]);
    return readHost(client, known.id);
  }
  if (!token.left) return undefined;
  const labels = JSON.stringify(token.labels);
  const id =
    known === undefined
      ? await addHost(client, host, labels, now)
      : await joinAgain(client, known.id, host, labels);
  await client.query('UPDATE token SET reserved = reserved + 1 WHERE hash = $1', [host.token]);
  await client.query(`UPDATE host SET workload = ${SELECTED} WHERE id = $1`, [id]);
  return readHost(client, id);
}

function saidBy({ agentVersion, machineId, name }: NewHost): string[] {
  return [storable(name), storable(machineId), storable(agentVersion)];
}

async function readHost(client: PoolClient, id: string): Promise<HostRow | undefined> {
  const { rows } = await client.query<Line>(`SELECT ${COLUMNS} FROM host WHERE id = $1`, [id]);
  return rows[0] && hostOf(rows[0]);
}

async function addHost(client: PoolClient, host: Joining, labels: string, now: number): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    `INSERT INTO host (id, name, machine_id, agent_version, labels, key_hash, public_key, token, enrolled)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     RETURNING id`,
    [randomUUID(), ...saidBy(host), labels, host.keyHash, host.publicKey, host.token, now],
  );
  return rows[0]!.id;
}

/** The same host by another use of a token, which gives it its labels. */
async function joinAgain(client: PoolClient, id: string, host: Joining, labels: string): Promise<string> {
  await client.query(
    `UPDATE host SET name = $2, machine_id = $3, agent_version = $4, labels = $5, token = $6, used = false WHERE id = $1`,
    [id, ...saidBy(host), labels, host.token],
  );
  return id;
}

/** For JSON; all but the host and the time come from the agent. */
function storableSighting(sighting: Sighting) {
  const { agentVersion, features, digest, mode } = sighting;
  const numbers = (['skew', 'revision', 'lost', 'unsentRows', 'newDeniedKeys', 'breakerTrips'] as const).map(
    (name) => [name, storableNumber(sighting[name])] as const,
  );
  return {
    ...sighting,
    ...Object.fromEntries(numbers),
    agentVersion: storable(agentVersion),
    features: features.map(storable),
    digest: digest.toString('hex'),
    mode: storable(mode),
  };
}
