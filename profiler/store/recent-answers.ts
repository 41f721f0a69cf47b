import type { DuckDBConnection } from '@duckdb/node-api';

/** That an address had a name on this host, by an answer that counted for verdicts. */
export interface RecentAnswer {
  /** As text. */
  resolver: string;
  address: string;
  name: string;
  /** End of its TTL, microseconds since the epoch. */
  end: number;
}

/** What is older is known to nobody, whatever a policy keeps. Microseconds. */
const OLDEST = 7 * 86_400e6;
/** The latest of them, where there are more. */
const MOST = 16_384;

/** `now`: milliseconds since the epoch. */
export async function recentAnswers(
  connection: DuckDBConnection,
  host: string,
  now: number,
): Promise<RecentAnswer[]> {
  const rows = await connection.runAndReadAll(
    `SELECT a.resolver, a.address, a.question, max(a.last + a.ttl_max * 1000000) AS ending
    FROM answer a JOIN recording r ON r.id = a.recording
    WHERE a.counts = 1 AND r.host = $host AND a.address IS NOT NULL AND a.last >= $oldest
    GROUP BY ALL ORDER BY ending DESC LIMIT ${MOST}`,
    { host, oldest: BigInt(Math.round(now * 1000 - OLDEST)) },
  );
  return rows.getRows().map(([resolver, address, name, end]) => ({
    resolver: String(resolver),
    address: String(address),
    name: String(name),
    end: Number(end),
  }));
}
