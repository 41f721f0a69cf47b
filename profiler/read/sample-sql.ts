import type { DuckDBValue } from '@duckdb/node-api';
import { SocketKind } from '../../bpf/wire.ts';
import { connectionRows, EXPORTED } from '../database/connection-column.ts';
import { optional } from './history.ts';
import type { Observation } from './observation.ts';

/** Rows of a destination: $1 family (0 for a socket), $2 and $3 the halves of the address, $4 port or kind of socket, $5 protocol. */
const AT_PLACE = `family = $1 AND address_high = $2 AND address_low = $3 AND port = $4 AND ($1 = 0 OR protocol = $5)`;

/** The parameters of AT_PLACE. */
export function placeOf({ address, family, port, protocol, socket }: Observation): DuckDBValue[] {
  const [at, value, where] = socket === undefined ? [family, address, port] : [0, 0n, SocketKind[socket]];
  return [at, value >> 64n, value & 0xffff_ffff_ffff_ffffn, where, protocol];
}

/**
 * A process that made the last connection of an observation. Parameters: those of AT_PLACE, $6 real
 * uid, $7 command.
 */
export const SAMPLE = `
  WITH place AS (
    SELECT recording, process, command, credential, time + span AS time, false AS folded FROM event WHERE ${AT_PLACE}
    UNION ALL
    SELECT recording, process, command, credential, last, true FROM hourly WHERE ${AT_PLACE})
  SELECT CASE WHEN e.folded THEN NULL ELSE p.pid END, p.arguments, p.parent_command, ancestor_text(p.ancestors),
    k.uid, k.euid, CASE WHEN inside THEN NULL ELSE k.user_name END, CASE WHEN inside THEN NULL ELSE k.euser_name END
  FROM place e JOIN (SELECT *, in_container(container, flags) AS inside FROM process) p ON p.recording = e.recording AND p.id = e.process
  JOIN command m ON m.recording = e.recording AND m.id = e.command
  JOIN credential_now k ON k.recording = e.recording AND k.id = e.credential
  WHERE k.uid = $6 AND m.text = $7 ORDER BY e.time DESC LIMIT 1`;

/**
 * The latest rows that an observation was folded of, as JSON with the columns of an export and the rule that decided
 * then. Parameters: those of AT_PLACE, $6 real uid, $7 command, $8 executable, $9 script and $10 container, NULL where
 * there is none, $11 verdict ('allow' or 'deny'), $12 whether a denial was only noted, $13 since, $14 until, $15 how many.
 */
export const ROWS_OF = `
  SELECT to_json({${EXPORTED.map(({ name }) => `${name}: ${name}`).join(', ')}, rule: rule})::VARCHAR FROM (
    SELECT ${EXPORTED.map(({ name, sql }) => `${sql} AS ${name}`).join(', ')}, b.name AS rule
    FROM ${connectionRows(`${AT_PLACE} AND time >= $13 AND time < $14`, `${AT_PLACE} AND last >= $13 AND first < $14`)}
    LEFT JOIN box b ON b.recording = e.recording AND b.box = e.box)
  WHERE uid = $6 AND comm = $7 AND exe IS NOT DISTINCT FROM $8 AND script IS NOT DISTINCT FROM $9
    AND container IS NOT DISTINCT FROM $10 AND verdict = $11 AND noted = $12
  ORDER BY ts DESC LIMIT $15`;

/** One process behind an observation. Unknown values are absent. */
export interface SampleProcess {
  pid?: number;
  /** Its command line. */
  arguments?: string;
  parentCommand?: string;
  /** Who started it, the nearest first: see ancestorText(). */
  ancestors?: string;
  /** Real and effective user. */
  uid: number;
  euid: number;
  /** What the host calls them; absent in a container, where others have these ids. */
  userName?: string;
  euserName?: string;
}

/** The process in a row of `SAMPLE`. */
export function sampleOf(row: readonly DuckDBValue[]): SampleProcess {
  const [pid, args, parent, ancestors, uid, euid, userName, euserName] = row;
  return {
    ...(pid !== null && { pid: Number(pid) }),
    ...(args !== '' && optional('arguments', args)),
    ...(parent !== '' && optional('parentCommand', parent)),
    ...optional('ancestors', ancestors),
    uid: Number(uid),
    euid: Number(euid),
    ...optional('userName', userName),
    ...optional('euserName', euserName),
  };
}
