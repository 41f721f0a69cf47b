/**
 * The database, as the statements that make it. Statement list N brings a database from version N to N + 1; a
 * list that has been released is never edited, a change is a new list. The view `connections`, which nothing
 * else depends on, is made anew after the last of them.
 *
 * Events are numbers only: names live in the tables beside them, keyed by (recording, id). `connections`
 * joins them for people. Times are microseconds since the epoch, UTC.
 */
export const MIGRATIONS: readonly (readonly string[])[] = [
  [
    `CREATE TABLE recording (
      id INTEGER NOT NULL, host VARCHAR NOT NULL, kernel VARCHAR NOT NULL, backend VARCHAR NOT NULL,
      command VARCHAR NOT NULL, mode VARCHAR, target VARCHAR NOT NULL, policy_hash VARCHAR,
      started_at BIGINT NOT NULL, ended_at BIGINT, state VARCHAR NOT NULL, events BIGINT)`,
    // No key and no constraint: both are checked at every flush, and a violation would drop the whole batch.
    `CREATE TABLE event (
      recording INTEGER, time BIGINT, process INTEGER, command INTEGER, uid UINTEGER, gid UINTEGER,
      family UTINYINT, address_high UBIGINT, address_low UBIGINT, port USMALLINT, protocol USMALLINT,
      operation UTINYINT, verdict UTINYINT, box INTEGER)`,
    `CREATE TABLE process (
      recording INTEGER, id INTEGER, key UBIGINT, pid INTEGER, parent_pid INTEGER, exe VARCHAR,
      device UBIGINT, inode UBIGINT, script VARCHAR, arguments VARCHAR, command VARCHAR,
      parent_command VARCHAR, nodename VARCHAR, mount_namespace UINTEGER, pid_namespace UINTEGER,
      cgroup_id UBIGINT, cgroup_path VARCHAR, container INTEGER, unit VARCHAR, flags UINTEGER,
      started_at BIGINT)`,
    `CREATE TABLE command (recording INTEGER, id INTEGER, text VARCHAR)`,
    // Append-only like the rest: what is learnt later about a container is a row with a higher version.
    `CREATE TABLE container (
      recording INTEGER, id INTEGER, version INTEGER, runtime VARCHAR, container_id VARCHAR, name VARCHAR,
      image VARCHAR, image_id VARCHAR)`,
    `CREATE TABLE box (recording INTEGER, box INTEGER, name VARCHAR, action VARCHAR)`,
    `CREATE TABLE loss (recording INTEGER, time BIGINT, kind VARCHAR, count BIGINT)`,
    `CREATE VIEW container_now AS SELECT * FROM container
      QUALIFY row_number() OVER (PARTITION BY recording, id ORDER BY version DESC) = 1`,
    `CREATE MACRO ipv4_text(n) AS
      concat((n >> 24) & 255, '.', (n >> 16) & 255, '.', (n >> 8) & 255, '.', n & 255)`,
    `CREATE MACRO ipv6_groups(high, low) AS format('{:x}:{:x}:{:x}:{:x}:{:x}:{:x}:{:x}:{:x}',
      high >> 48, (high >> 32) & 65535, (high >> 16) & 65535, high & 65535,
      low >> 48, (low >> 32) & 65535, (low >> 16) & 65535, low & 65535)`,
    `CREATE MACRO ipv6_short(groups) AS CASE ${[8, 7, 6, 5, 4, 3, 2].map(shortenZeroGroups).join(' ')}
      ELSE groups END`,
    `CREATE MACRO address_text(family, high, low) AS
      CASE WHEN family = 4 THEN ipv4_text(low) ELSE ipv6_short(ipv6_groups(high, low)) END`,
  ],
  [
    // Equal events of one clock hour in one row: what old events become, and what is imported. Several rows
    // may tell of the same hour; they add up.
    `CREATE TABLE hourly (
      recording INTEGER, process INTEGER, command INTEGER, uid UINTEGER, gid UINTEGER,
      family UTINYINT, address_high UBIGINT, address_low UBIGINT, port USMALLINT, protocol USMALLINT,
      operation UTINYINT, verdict UTINYINT, box INTEGER, count BIGINT, first BIGINT, last BIGINT)`,
    // A learning window that outlives restarts: the recordings of one window have the same two times.
    `ALTER TABLE recording ADD COLUMN window_start BIGINT`,
    `ALTER TABLE recording ADD COLUMN window_end BIGINT`,
  ],
  [
    // A container whose runtime is not known has no row: the kernel's word for it is the first flag of its
    // processes.
    `CREATE MACRO in_container(container, flags) AS container IS NOT NULL OR coalesce(flags & 1, 0) = 1`,
  ],
  [
    `ALTER TABLE container ADD COLUMN digest VARCHAR`,
    // A JSON object.
    `ALTER TABLE container ADD COLUMN labels VARCHAR`,
    `ALTER TABLE container ADD COLUMN pod VARCHAR`,
    `ALTER TABLE container ADD COLUMN namespace VARCHAR`,
    // Of a container inside a container of this host: the row of that one, which is what policies know.
    `ALTER TABLE container ADD COLUMN parent INTEGER`,
    `CREATE OR REPLACE VIEW container_now AS
      WITH latest AS (
        SELECT * FROM container QUALIFY row_number() OVER (PARTITION BY recording, id ORDER BY version DESC) = 1)
      SELECT o.* REPLACE (i.id AS id), CASE WHEN i.parent IS NOT NULL THEN i.container_id END AS inner_id
      FROM latest i JOIN latest o ON o.recording = i.recording AND o.id = coalesce(i.parent, i.id)`,
  ],
  [
    // A JSON array, the nearest first, of objects with pid, started_at, command, exe and primed. NULL is not
    // known, an empty one is none. Text, because a list of structs costs the appender more than all the rest
    // of the row.
    `ALTER TABLE process ADD COLUMN ancestors VARCHAR`,
    // As ancestorText() writes it: `bash < sshd < systemd`.
    `CREATE MACRO ancestor_text(ancestors) AS nullif(array_to_string(
      list_transform(ancestors->>'$[*].command', lambda name: replace(name, '<', '\\x3c')), ' < '), '')`,
  ],
  [
    // By whom events are: six ids, which few connections in a record differ by.
    `CREATE TABLE credential (
      recording INTEGER, id INTEGER, uid UINTEGER, euid UINTEGER, fsuid UINTEGER, gid UINTEGER, egid UINTEGER,
      fsgid UINTEGER)`,
    // What the host called its users and groups (`kind`) when it was recorded.
    `CREATE TABLE account (recording INTEGER, kind VARCHAR, id UINTEGER, name VARCHAR)`,
    `CREATE VIEW account_now AS SELECT recording, kind, id, min(name) AS name FROM account GROUP BY ALL`,
    `CREATE VIEW credential_now AS
      SELECT c.*, u.name AS user_name, v.name AS euser_name, g.name AS group_name, h.name AS egroup_name
      FROM credential c
      LEFT JOIN account_now u ON u.recording = c.recording AND u.kind = 'user' AND u.id = c.uid
      LEFT JOIN account_now v ON v.recording = c.recording AND v.kind = 'user' AND v.id = c.euid
      LEFT JOIN account_now g ON g.recording = c.recording AND g.kind = 'group' AND g.id = c.gid
      LEFT JOIN account_now h ON h.recording = c.recording AND h.kind = 'group' AND h.id = c.egid`,
    // Older records have the real ids alone.
    `INSERT INTO credential
      SELECT recording, row_number() OVER (PARTITION BY recording ORDER BY uid, gid), uid, uid, uid, gid, gid, gid
      FROM (SELECT recording, uid, gid FROM event UNION SELECT recording, uid, gid FROM hourly)`,
    ...withCredential('event', ['time'], []),
    ...withCredential('hourly', [], ['count', 'first', 'last']),
  ],
  [
    // The clock was set, by `step` microseconds to `time`.
    `CREATE TABLE clock_step (recording INTEGER, time BIGINT, step BIGINT)`,
  ],
  [
    // Whose events were lost; NULL where that is not known.
    `ALTER TABLE loss ADD COLUMN uid UINTEGER`,
    `COMMENT ON TABLE hourly IS 'Equal events of an hour in one row: of old events, of imported ones, and of those that one user made too many of to tell each. Several rows may tell of the same hour; they add up.'`,
  ],
  [
    // The names that addresses were known by. `names`: ids of table name, the best first.
    `CREATE TABLE name (recording INTEGER, id UINTEGER, text VARCHAR)`,
    `CREATE TABLE name_set (recording INTEGER, id UINTEGER, names UINTEGER[])`,
    `CREATE TABLE answer (
      recording INTEGER, process INTEGER, resolver VARCHAR, question VARCHAR, chain VARCHAR[], family UTINYINT,
      address VARCHAR, ttl_min UINTEGER, ttl_max UINTEGER, count BIGINT, first BIGINT, last BIGINT)`,
    `COMMENT ON TABLE answer IS 'What resolvers answered, equal answers to a process of an hour in one row: question = the name asked for, chain = the names that it led to, ttl in seconds, first and last in microseconds since the epoch. Several rows may tell of the same hour; they add up. Without a question: answers of an hour beyond those that are told apart.'`,
    ...['event', 'hourly'].flatMap((table) => [
      `ALTER TABLE ${table} ADD COLUMN names UINTEGER DEFAULT 0`,
      `ALTER TABLE ${table} ADD COLUMN known UTINYINT DEFAULT 0`,
      `ALTER TABLE ${table} ADD COLUMN age INTEGER DEFAULT 0`,
    ]),
    // Of a set the best name, and all of them with spaces between, which no name has.
    `CREATE VIEW name_set_now AS
      SELECT s.recording, s.id, arg_min(n.text, s.place) AS name, string_agg(n.text, ' ' ORDER BY s.place) AS names
      FROM (SELECT recording, id, unnest(names) AS name, generate_subscripts(names, 1) AS place FROM name_set) s
      JOIN name n ON n.recording = s.recording AND n.id = s.name GROUP BY s.recording, s.id`,
  ],
  // A denial that stopped nothing has a verdict of its own. Until here the mode in which a recording began stood for
  // all of it.
  ['event', 'hourly'].map(
    (table) =>
      `UPDATE ${table} SET verdict = 2 WHERE verdict = 1 AND recording IN (SELECT id FROM recording WHERE mode = 'monitor')`,
  ),
  // The view has one more word for who asked for a name, too.
  ['ALTER TABLE answer ADD COLUMN counts UTINYINT DEFAULT 0'],
  [
    // Equal datagrams of a process within a second: how many, and microseconds from the first, at `time`, to the last.
    `ALTER TABLE event ADD COLUMN count UINTEGER DEFAULT 1`,
    `ALTER TABLE event ADD COLUMN span UINTEGER DEFAULT 0`,
  ],
];

/**
 * RFC 5952: the leftmost longest run of two or more zero groups becomes `::`. Tried from the longest run
 * down.
 */
function shortenZeroGroups(run: number): string {
  const pattern = `'(^|:)0(:0){${run - 1}}(:|$)'`;
  return `WHEN regexp_matches(groups, ${pattern}) THEN regexp_replace(groups, ${pattern}, '::')`;
}

/** A table with a credential instead of two ids, in a copy that takes its place. */
function withCredential(table: string, before: readonly string[], behind: readonly string[]): string[] {
  const columns = [
    't.recording',
    ...before,
    'process, command, k.id AS credential, family, address_high, address_low, port, protocol, operation, verdict, box',
    ...behind,
  ];
  return [
    `CREATE TABLE changed AS
      SELECT ${columns.join(', ')}
      FROM ${table} t JOIN credential k ON k.recording = t.recording AND k.uid = t.uid AND k.gid = t.gid`,
    `DROP TABLE ${table}`,
    `ALTER TABLE changed RENAME TO ${table}`,
  ];
}
