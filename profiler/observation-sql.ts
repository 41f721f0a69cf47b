/**
 * Folds events into observations inside DuckDB, in two steps: first by the numbers of the event table alone (that is
 * where the millions of rows go), then by the names. A UDP connect that sent nothing (operation 2) is no traffic.
 * An hour that is folded already counts whole when any part of it may lie in the window.
 * Parameters: $1 since, $2 until (microseconds since the epoch, until excluded), $3 verdict (0, 1 or NULL for both),
 * $4 whether containers alone are wanted, $5 the operation to leave out (2, or NULL for none).
 * Opening a socket (operation 3) has no destination to observe.
 */
const FOLDED = `
  folded AS (
    SELECT recording, process, command, uid, gid, family, address_high, address_low, port, protocol, verdict,
      time // 3600000000 AS hour, count(*) AS count, min(time) AS first, max(time) AS last
    FROM event
    WHERE time >= $1 AND time < $2 AND ($3 IS NULL OR verdict = $3) AND operation IS DISTINCT FROM $5
      AND operation <> 3
    GROUP BY ALL
    UNION ALL
    SELECT recording, process, command, uid, gid, family, address_high, address_low, port, protocol, verdict,
      first // 3600000000, count, first, last
    FROM hourly
    WHERE last >= $1 AND first < $2 AND ($3 IS NULL OR verdict = $3) AND operation IS DISTINCT FROM $5
      AND operation <> 3),
  who AS (
    SELECT p.recording, p.id, p.exe, p.script, p.container IS NOT NULL AS in_container,
      coalesce(c.name, left(c.container_id, 12)) AS container, c.image, p.unit, p.cgroup_path AS cgroup
    FROM process p LEFT JOIN container_now c ON c.recording = p.recording AND c.id = p.container),
  named AS (
    SELECT coalesce(m.text, '') AS command, w.exe, w.script, f.uid, f.gid,
      coalesce(w.in_container, false) AS in_container, w.container, w.image, w.unit, w.cgroup,
      f.family, f.address_high, f.address_low, f.port, f.protocol, f.verdict,
      f.verdict = 1 AND coalesce(r.mode, 'block') = 'monitor' AS monitored, f.hour, f.count, f.first, f.last
    FROM folded f
    LEFT JOIN who w ON w.recording = f.recording AND w.id = f.process
    LEFT JOIN command m ON m.recording = f.recording AND m.id = f.command
    LEFT JOIN recording r ON r.id = f.recording
    WHERE NOT $4 OR coalesce(w.in_container, false))`;

const SUBJECT = 'command, exe, script, uid, gid, in_container, container, image, unit, cgroup';

/** Columns of a subject, in the order in which both queries return them. */
export const SUBJECT_COLUMNS = SUBJECT.split(', ');

export const OBSERVATIONS = `WITH ${FOLDED}
  SELECT ${SUBJECT}, family, address_high, address_low, port, protocol, verdict, monitored,
    sum(count)::BIGINT AS count, min(first) AS first, max(last) AS last, count(DISTINCT hour) AS hours
  FROM named GROUP BY ALL ORDER BY ALL`;

export const ACTIVITY = `WITH ${FOLDED}
  SELECT ${SUBJECT}, list(DISTINCT hour ORDER BY hour) AS hours FROM named GROUP BY ALL ORDER BY ALL`;

/** What recordings that were left open have taken in: their last event and the number of events. */
export const SEEN_OF_OPEN = `
  SELECT recording, max(last) AS last, sum(count)::BIGINT AS events FROM (
    SELECT recording, max(time) AS last, count(*) AS count FROM event GROUP BY recording
    UNION ALL
    SELECT recording, max(last), sum(count) FROM hourly GROUP BY recording)
  WHERE recording IN (SELECT id FROM recording WHERE state = 'open') GROUP BY recording`;
