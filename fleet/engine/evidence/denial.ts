import { weekStart } from '../../wire/week.ts';
import type { Primary } from '../connection/primary.ts';

/** Milliseconds. */
const FIRST_MONDAY = weekStart(0) / 1000;
const WEEK = weekStart(1) / 1000 - FIRST_MONDAY;

/** What of the evidence the gates of a roll-out look at, by host. */
export interface DenialRow {
  host: string;
  /** Keys (subject, destination) that the revision denies or would deny. */
  denied: number;
  /** Those that the same host was allowed before. */
  regressed: number;
  /** Keys that earlier revisions denied or would have denied, in the week in which the release began and the one before. */
  before: number;
  /** Whether some of it is not here: the host has as many keys as are taken, in a week since the release began. */
  full: boolean;
}

/**
 * What a release denied, or would have denied, since it began, and what earlier ones did, on its hosts that had any, or
 * more than is kept. A host
 * may have had the same revision of another workload: what is older than the release is not counted for it. `mostKeys` are
 * taken of a host and week.
 */
export async function denialsOf(primary: Primary, release: number, mostKeys: number): Promise<DenialRow[]> {
  return primary.use(async (client) => {
    const { rows } = await client.query<DenialRow>(DENIALS, [release, mostKeys]);
    return rows;
  });
}

const DENIALS = `
  WITH r AS (
    SELECT id, revision, since * 1000 AS since, ((since - ${FIRST_MONDAY}) / ${WEEK})::int AS week FROM release WHERE id = $1),
  denied AS (
    SELECT e.host, e.subject, e.address, e.port, e.protocol, e.socket,
      bool_or(e.revision = r.revision AND e.last >= r.since) AS now,
      bool_or(e.revision < r.revision AND e.week BETWEEN r.week - 1 AND r.week) AS before
    FROM r JOIN placement p ON p.release = r.id JOIN host h ON h.id = p.host
      JOIN evidence e ON e.host = h.number AND e.revision <= r.revision AND e.verdict <> 0
    GROUP BY e.host, e.subject, e.address, e.port, e.protocol, e.socket),
  allowed AS (
    SELECT DISTINCT host, subject, address, port, protocol, socket FROM evidence
    WHERE host IN (SELECT host FROM denied WHERE now) AND verdict = 0 AND first < (SELECT since FROM r)),
  full_host AS (
    SELECT DISTINCT w.host FROM r JOIN placement p ON p.release = r.id JOIN host h ON h.id = p.host
      JOIN host_week w ON w.host = h.number AND w.week >= r.week AND w.keys >= $2),
  counted AS (
    SELECT d.host, (count(*) FILTER (WHERE d.now))::int AS denied,
      (count(*) FILTER (WHERE d.now AND a.host IS NOT NULL))::int AS regressed,
      (count(*) FILTER (WHERE d.before))::int AS before
    FROM denied d LEFT JOIN allowed a USING (host, subject, address, port, protocol, socket)
    WHERE d.now OR d.before
    GROUP BY d.host)
  SELECT h.id AS host, coalesce(c.denied, 0) AS denied, coalesce(c.regressed, 0) AS regressed,
    coalesce(c.before, 0) AS before, f.host IS NOT NULL AS full
  FROM counted c FULL JOIN full_host f ON f.host = c.host JOIN host h ON h.number = coalesce(c.host, f.host)
  ORDER BY h.id`;
