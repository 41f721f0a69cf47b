import { SocketKind } from '../../bpf/wire.ts';
import { LAST_FAMILY, SOCKET_FAMILIES } from '../../policy/value/opening.ts';
import { PROTOCOL_NUMBERS } from '../../policy/value/protocol.ts';
import { Operation, Verdict } from '../event/batch.ts';
import { Known } from '../event/columns.ts';

/** One thing that is known of a connection, and how those who ask are given it. */
export interface ConnectionColumn {
  /** In the view `connections`. */
  readonly name: string;
  /** Over the tables of `connectionRows`. */
  readonly sql: string;
  /** What the comment of the view adds to the name. */
  readonly says?: string;
  /** Absent where the view alone has it. */
  readonly exported?: ExportedColumn;
}

/** A column of an export, which an import takes back. */
export interface ExportedColumn {
  readonly name: string;
  /** In a Parquet file. */
  readonly type: 'TIMESTAMP' | 'VARCHAR' | 'INTEGER' | 'UINTEGER' | 'USMALLINT' | 'BIGINT' | 'BOOLEAN';
  /** Text that comes from outside and may hold commas, quotes and ends of lines. */
  readonly free?: true;
  /** No import goes without it. */
  readonly required?: true;
  /** Where it is not that of the view. */
  readonly sql?: string;
  /** Added later: it follows all others, in this order, since programs may read the others by position. */
  readonly added?: number;
}

const id = { type: 'UINTEGER' } as const;
const name = { type: 'VARCHAR', free: true } as const;
const word = { type: 'VARCHAR' } as const;

/** `CASE value WHEN 0 THEN 'connect' ...`: the words for numbers; what has none is `other`. */
function words(value: string, names: Readonly<Record<string, number>>, other: string): string {
  const cases = Object.entries(names).map(([text, number]) => `WHEN ${number} THEN '${text}'`);
  return `CASE ${value} ${cases.join(' ')} ELSE ${other} END`;
}

/** In a container the names of this host belong to other users. */
function outsideContainers(column: string): string {
  return `CASE WHEN NOT in_container(p.container, p.flags) THEN k.${column} END`;
}

const WHO = [
  { name: 'host', sql: 'r.host', exported: { name: 'host', ...name } },
  {
    name: 'pid',
    sql: 'CASE WHEN e.folded THEN NULL ELSE p.pid END',
    exported: { name: 'pid', type: 'INTEGER' },
  },
  {
    name: 'command',
    sql: 'm.text',
    exported: { name: 'comm', ...name, required: true, sql: `coalesce(m.text, '')` },
  },
  { name: 'exe', sql: 'p.exe', exported: { name: 'exe', ...name } },
  { name: 'script', sql: 'p.script', exported: { name: 'script', ...name } },
  { name: 'uid', sql: 'k.uid', exported: { name: 'uid', ...id, required: true } },
  { name: 'euid', sql: 'k.euid', says: 'effective', exported: { name: 'euid', ...id } },
  { name: 'fsuid', sql: 'k.fsuid', says: 'that of file accesses', exported: { name: 'fsuid', ...id } },
  { name: 'gid', sql: 'k.gid', exported: { name: 'gid', ...id, required: true } },
  { name: 'egid', sql: 'k.egid', exported: { name: 'egid', ...id } },
  { name: 'fsgid', sql: 'k.fsgid', exported: { name: 'fsgid', ...id } },
  { name: 'user_name', sql: outsideContainers('user_name'), exported: { name: 'user_name', ...name } },
  { name: 'euser_name', sql: outsideContainers('euser_name'), exported: { name: 'euser_name', ...name } },
  { name: 'group_name', sql: outsideContainers('group_name'), exported: { name: 'group_name', ...name } },
  {
    name: 'egroup_name',
    sql: outsideContainers('egroup_name'),
    says: 'what the host called these ids when it was recorded, not in containers',
    exported: { name: 'egroup_name', ...name },
  },
  {
    name: 'ancestors',
    sql: 'ancestor_text(p.ancestors)',
    says: 'names of the processes that started it when it was executed, the nearest first',
    exported: { name: 'ancestors', ...name, added: 5 },
  },
  {
    name: 'in_container',
    sql: 'in_container(p.container, p.flags)',
    exported: { name: 'in_container', type: 'BOOLEAN', added: 6 },
  },
  {
    name: 'container',
    sql: 'coalesce(c.name, left(c.container_id, 12))',
    // An id is no name: an import would make a container of that name of it, which gets rules.
    exported: { name: 'container', ...name, sql: 'c.name' },
  },
  { name: 'inner_container', sql: 'left(c.inner_id, 12)', says: 'a container inside it' },
  { name: 'image', sql: 'c.image', exported: { name: 'image', ...name } },
  { name: 'image_digest', sql: 'c.digest', exported: { name: 'image_digest', ...name, added: 8 } },
  { name: 'labels', sql: 'c.labels', says: 'JSON', exported: { name: 'labels', ...name, added: 6 } },
  { name: 'pod', sql: 'c.pod', exported: { name: 'pod', ...name, added: 6 } },
  { name: 'namespace', sql: 'c.namespace', exported: { name: 'namespace', ...name, added: 6 } },
  { name: 'unit', sql: 'p.unit', exported: { name: 'unit', ...name, added: 6 } },
  { name: 'cgroup', sql: `nullif(p.cgroup_path, '')`, exported: { name: 'cgroup', ...name, added: 8 } },
] as const satisfies readonly ConnectionColumn[];

const WHERE = [
  {
    name: 'address',
    sql: 'CASE WHEN e.family > 0 THEN address_text(e.family, e.address_high, e.address_low) END',
    exported: { name: 'addr', ...word, required: true },
  },
  {
    name: 'port',
    sql: 'CASE WHEN e.family > 0 THEN e.port END',
    exported: { name: 'port', type: 'USMALLINT', required: true },
  },
  {
    name: 'protocol',
    sql: `CASE WHEN e.family = 0 THEN opening_text(e.port, e.protocol) ELSE protocol_text(e.protocol) END`,
    says: 'of a socket that was opened the EtherType (packet), the family (other) or the IP protocol',
    exported: { name: 'protocol', ...word, required: true },
  },
  {
    name: 'name',
    sql: 's.name',
    says: 'the best of the names that the address was known by',
    exported: { name: 'name', ...name, added: 7 },
  },
  {
    name: 'names',
    sql: 's.names',
    says: 'all of them with spaces between, the best first',
    exported: { name: 'names', ...name, added: 7 },
  },
  {
    name: 'name_known',
    sql: words('e.known', Known, 'NULL'),
    says: 'who had asked for it: self, cgroup (its container or cgroup), host (anybody), or unbelieved: nobody whose answers count there has said so',
    exported: { name: 'name_known', ...word, added: 7 },
  },
  {
    name: 'age',
    sql: 'CASE WHEN e.names > 0 THEN e.age END',
    says: 'seconds since the name had run out by its TTL, negative before',
    exported: { name: 'age', type: 'INTEGER', added: 7 },
  },
] as const satisfies readonly ConnectionColumn[];

/** The columns of the view `connections` in their order, and with them those of an export and an import. */
const COLUMNS = [
  {
    name: 'time',
    sql: 'make_timestamp(e.time)',
    exported: {
      name: 'ts',
      type: 'TIMESTAMP',
      required: true,
      sql: `strftime(make_timestamp(e.time), '%Y-%m-%dT%H:%M:%S.%fZ')`,
    },
  },
  ...WHO,
  ...WHERE,
  {
    name: 'operation',
    sql: words('e.operation', Operation, `'open'`),
    exported: { name: 'operation', ...word, added: 2 },
  },
  {
    name: 'socket',
    sql: `CASE WHEN e.family = 0 THEN ${words('e.port', SocketKind, `'other'`)} END`,
    exported: { name: 'socket', ...word, added: 4 },
  },
  {
    name: 'verdict',
    sql: `CASE e.verdict WHEN ${Verdict.allow} THEN 'allow' ELSE 'deny' END`,
    exported: { name: 'verdict', ...word, added: 3 },
  },
  {
    name: 'noted',
    sql: `e.verdict = ${Verdict.noted}`,
    exported: { name: 'noted', type: 'BOOLEAN', added: 8 },
  },
  { name: 'rule', sql: 'b.name' },
  { name: 'count', sql: 'e.count', exported: { name: 'count', type: 'BIGINT', added: 1 } },
  { name: 'recording', sql: 'e.recording' },
] as const satisfies readonly ConnectionColumn[];

/** A column of an export or an import, by its name there. */
export type ColumnName = Extract<(typeof COLUMNS)[number], { exported: unknown }>['exported']['name'];

/** The columns of an export in their order, each with the SQL that gives it. */
export const EXPORTED = exportedOf(COLUMNS);

interface Source {
  readonly name: ColumnName;
  readonly sql: string;
}

function exportedOf(columns: readonly ConnectionColumn[]): (ExportedColumn & Source)[] {
  return columns
    .flatMap(({ sql, exported }) => (exported ? [{ sql, ...exported }] : []))
    .toSorted((a, b) => (a.added ?? 0) - (b.added ?? 0)) as (ExportedColumn & Source)[];
}

/**
 * What columns take their values from: events, single (e.folded is false) and of an hour, as far as they
 * fulfil the two conditions, with the names that they have.
 */
export function connectionRows(single = 'true', hourly = 'true'): string {
  return `(
    SELECT * EXCLUDE (span) REPLACE (count::BIGINT AS count), false AS folded FROM event WHERE ${single}
    UNION ALL BY NAME
    SELECT * EXCLUDE (first, last), first AS time, true AS folded FROM hourly WHERE ${hourly}) e
  JOIN recording r ON r.id = e.recording
  LEFT JOIN process p ON p.recording = e.recording AND p.id = e.process
  LEFT JOIN command m ON m.recording = e.recording AND m.id = e.command
  LEFT JOIN container_now c ON c.recording = p.recording AND c.id = p.container
  LEFT JOIN credential_now k ON k.recording = e.recording AND k.id = e.credential
  LEFT JOIN name_set_now s ON s.recording = e.recording AND s.id = e.names`;
}

const described = (columns: readonly ConnectionColumn[]): string =>
  columns.map(({ name, says }) => (says === undefined ? name : `${name} = ${says}`)).join(', ');

/**
 * What people ask, as the statements that make it. Whoever changes it adds a list to MIGRATIONS, an empty one
 * if need be: only with a new version a database gets the new view.
 */
export const CONNECTIONS: readonly string[] = [
  `CREATE OR REPLACE MACRO protocol_text(protocol) AS
    ${words('protocol', PROTOCOL_NUMBERS, 'protocol::VARCHAR')}`,
  `CREATE OR REPLACE MACRO opening_text(kind, protocol) AS CASE
    WHEN kind = ${SocketKind.packet} THEN format('0x{:04x}', protocol)
    WHEN kind = ${SocketKind.other} AND protocol <= ${LAST_FAMILY}
      THEN ${words('protocol', SOCKET_FAMILIES, 'protocol::VARCHAR')}
    ELSE protocol_text(protocol) END`,
  `CREATE OR REPLACE VIEW connections AS
    SELECT ${COLUMNS.map((column) => `${column.sql} AS ${column.name}`).join(', ')}
    FROM ${connectionRows()} LEFT JOIN box b ON b.recording = e.recording AND b.box = e.box`,
  `COMMENT ON VIEW connections IS 'One row a connection, or one for equal datagrams of a process within a second, or one for all equal connections of an hour when they are old or imported (count tells how many, time is that of the first, and of an hour pid is unknown): who (${described(WHO)}), where (${described(WHERE)}), what (operation: connect, send, intent = a UDP connect with nothing sent yet, or open = a socket whose kind the column socket says and that no destination can be judged by), and the verdict with the rule that decided it (noted: denied in monitor mode, which stopped nothing). time is UTC. Unknown values are NULL.'`,
];
