import type { PoolClient } from 'pg';
import { BouhekiError } from '../../../error/error.ts';
import type { Primary } from './primary.ts';

/**
 * What made each version of the schema of the one before; never changed once released. Times are milliseconds since
 * the epoch, of evidence microseconds. Columns are in the order of their alignment, which saves 20 bytes a row of
 * evidence.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE workload (
    name text PRIMARY KEY,
    selector jsonb NOT NULL,
    position int NOT NULL
  );
  CREATE TABLE token (
    hash text PRIMARY KEY,
    labels jsonb NOT NULL,
    uses int NOT NULL,
    reserved int NOT NULL DEFAULT 0,
    spent int NOT NULL DEFAULT 0,
    expires bigint NOT NULL
  );
  CREATE TABLE host (
    id uuid PRIMARY KEY,
    number int GENERATED ALWAYS AS IDENTITY UNIQUE,
    name text NOT NULL,
    labels jsonb NOT NULL,
    workload text,
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'quarantined', 'revoked')),
    clone boolean NOT NULL DEFAULT false,
    machine_id text NOT NULL,
    key_hash text NOT NULL UNIQUE,
    public_key bytea NOT NULL,
    token text,
    used boolean NOT NULL DEFAULT false,
    serial text NOT NULL DEFAULT '',
    previous_serial text,
    certificate_ends bigint NOT NULL DEFAULT 0,
    enrolled bigint NOT NULL,
    last_seen bigint NOT NULL DEFAULT 0,
    agent_version text NOT NULL,
    features jsonb NOT NULL DEFAULT '[]',
    skew bigint NOT NULL DEFAULT 0,
    revision bigint NOT NULL DEFAULT 0,
    digest bytea NOT NULL DEFAULT '',
    mode text NOT NULL DEFAULT '',
    stale boolean NOT NULL DEFAULT false,
    fallback boolean NOT NULL DEFAULT false,
    lost bigint NOT NULL DEFAULT 0,
    unsent_rows bigint NOT NULL DEFAULT 0,
    new_denied_keys bigint NOT NULL DEFAULT 0,
    breaker_trips bigint NOT NULL DEFAULT 0
  ) WITH (fillfactor = 70);
  CREATE INDEX ON host (name);
  CREATE INDEX ON host (workload);

  CREATE TABLE subject (
    id int GENERATED ALWAYS AS IDENTITY UNIQUE,
    week int NOT NULL,
    digest bytea PRIMARY KEY,
    document bytea NOT NULL
  );
  CREATE TABLE names (
    id bigint PRIMARY KEY,
    week int NOT NULL,
    names jsonb NOT NULL
  );
  CREATE TABLE host_week (
    host int NOT NULL REFERENCES host (number),
    week int NOT NULL,
    recorded_0 bigint NOT NULL DEFAULT 0,
    recorded_1 bigint NOT NULL DEFAULT 0,
    recorded_2 bigint NOT NULL DEFAULT 0,
    lost bigint NOT NULL DEFAULT 0,
    keys int NOT NULL DEFAULT 0,
    backend text COLLATE "C" NOT NULL DEFAULT '',
    PRIMARY KEY (host, week)
  ) WITH (fillfactor = 70);
  CREATE TABLE evidence (
    first bigint NOT NULL,
    last bigint NOT NULL,
    count bigint NOT NULL,
    hours_0 bigint NOT NULL,
    hours_1 bigint NOT NULL,
    hours_2 bigint NOT NULL,
    names bigint NOT NULL,
    key bigint NOT NULL,
    week int NOT NULL,
    host int NOT NULL,
    subject int NOT NULL,
    revision int NOT NULL,
    port int NOT NULL,
    protocol smallint NOT NULL,
    verdict smallint NOT NULL,
    address bytea NOT NULL,
    socket text COLLATE "C" NOT NULL,
    PRIMARY KEY (host, week, key)
  ) PARTITION BY LIST (week);
  CREATE INDEX evidence_denied ON evidence (host, revision) WHERE verdict <> 0;

  CREATE TABLE policy (
    digest bytea PRIMARY KEY,
    body bytea NOT NULL
  );
  CREATE TABLE release (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workload text NOT NULL,
    revision bigint NOT NULL,
    digest bytea NOT NULL REFERENCES policy (digest),
    previous bytea,
    manifest bytea NOT NULL,
    signatures jsonb NOT NULL,
    plan jsonb NOT NULL,
    state text NOT NULL DEFAULT 'running',
    stage int NOT NULL DEFAULT 0,
    stage_since bigint NOT NULL,
    reason text NOT NULL DEFAULT '',
    since bigint NOT NULL,
    UNIQUE (workload, revision)
  );
  CREATE TABLE placement (
    release bigint NOT NULL REFERENCES release (id),
    host uuid NOT NULL REFERENCES host (id),
    stage int NOT NULL,
    side text NOT NULL,
    mode text NOT NULL,
    state text NOT NULL,
    error text NOT NULL,
    since bigint NOT NULL,
    PRIMARY KEY (release, host)
  ) WITH (fillfactor = 70);
  CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time bigint NOT NULL,
    who text NOT NULL,
    what text NOT NULL
  );
  CREATE INDEX ON audit (time);
  `,
  `
  ALTER TABLE evidence
    ADD COLUMN name bigint NOT NULL DEFAULT 0,
    ADD COLUMN age int NOT NULL DEFAULT 0,
    ADD COLUMN known smallint NOT NULL DEFAULT 0;
  `,
];

/** Any number that no other program takes for its advisory locks. */
const MIGRATION_LOCK = 0x62_6f_75_01;

/**
 * Brings the schema `bouheki` to this version, once for all hubs that start.
 * @throws BouhekiError `fleet` where a newer hub has changed it
 */
export async function migrate(primary: Primary): Promise<void> {
  await primary.transaction(async (client) => {
    await client.query('SELECT pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
    const version = await versionOf(client);
    if (version > MIGRATIONS.length) {
      throw new BouhekiError(
        'fleet',
        `the engine has a schema of version ${version}, and this hub knows ${MIGRATIONS.length}`,
        { remedy: 'update bouheki on this hub: a newer one has changed the schema' },
      );
    }
    if (version === MIGRATIONS.length) return;
    for (const migration of MIGRATIONS.slice(version)) await client.query(migration);
    await client.query('UPDATE schema_version SET version = $1', [MIGRATIONS.length]);
  });
}

async function versionOf(client: PoolClient): Promise<number> {
  const { rows } = await client.query<{ found: boolean }>(
    `SELECT to_regclass('bouheki.schema_version') IS NOT NULL AS found`,
  );
  if (!rows[0]!.found) {
    await client.query('CREATE SCHEMA IF NOT EXISTS bouheki');
    await client.query('CREATE TABLE schema_version AS SELECT 0 AS version');
  }
  const { rows: versions } = await client.query<{ version: number }>('SELECT version FROM schema_version');
  return versions[0]!.version;
}
