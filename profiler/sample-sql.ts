/**
 * A process that made the last connection of an observation. Parameters: $1 family (0 for a socket), $2 and $3 the halves
 * of the address, $4 port or kind of socket, $5 protocol (not looked at for a socket), $6 uid, $7 command.
 */
export const SAMPLE = `
  WITH place AS (
    SELECT recording, process, command, time, false AS folded FROM event WHERE family = $1 AND address_high = $2
      AND address_low = $3 AND port = $4 AND ($1 = 0 OR protocol = $5) AND uid = $6
    UNION ALL
    SELECT recording, process, command, last, true FROM hourly WHERE family = $1 AND address_high = $2
      AND address_low = $3 AND port = $4 AND ($1 = 0 OR protocol = $5) AND uid = $6)
  SELECT CASE WHEN e.folded THEN NULL ELSE p.pid END, p.arguments, p.parent_command,
    ancestor_text(p.ancestors)
  FROM place e JOIN process p ON p.recording = e.recording AND p.id = e.process
  JOIN command m ON m.recording = e.recording AND m.id = e.command
  WHERE m.text = $7 ORDER BY e.time DESC LIMIT 1`;

/** One process behind an observation. Unknown values are absent. */
export interface SampleProcess {
  pid?: number;
  /** Its command line. */
  arguments?: string;
  parentCommand?: string;
  /** Who started it, the nearest first: see ancestorText(). */
  ancestors?: string;
}
