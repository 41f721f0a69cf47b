import type { DuckDBValue } from '@duckdb/node-api';
import { optional } from './history.ts';

/**
 * A process that made the last connection of an observation. Parameters: $1 family (0 for a socket), $2 and
 * $3 the halves of the address, $4 port or kind of socket, $5 protocol (not looked at for a socket), $6 real
 * uid, $7 command.
 */
export const SAMPLE = `
  WITH place AS (
    SELECT recording, process, command, credential, time + span AS time, false AS folded FROM event WHERE family = $1
      AND address_high = $2 AND address_low = $3 AND port = $4 AND ($1 = 0 OR protocol = $5)
    UNION ALL
    SELECT recording, process, command, credential, last, true FROM hourly WHERE family = $1
      AND address_high = $2 AND address_low = $3 AND port = $4 AND ($1 = 0 OR protocol = $5))
  SELECT CASE WHEN e.folded THEN NULL ELSE p.pid END, p.arguments, p.parent_command, ancestor_text(p.ancestors),
    k.uid, k.euid, CASE WHEN inside THEN NULL ELSE k.user_name END, CASE WHEN inside THEN NULL ELSE k.euser_name END
  FROM place e JOIN (SELECT *, in_container(container, flags) AS inside FROM process) p ON p.recording = e.recording AND p.id = e.process
  JOIN command m ON m.recording = e.recording AND m.id = e.command
  JOIN credential_now k ON k.recording = e.recording AND k.id = e.credential
  WHERE k.uid = $6 AND m.text = $7 ORDER BY e.time DESC LIMIT 1`;

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
