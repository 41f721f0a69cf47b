import type { DuckDBConnection } from '@duckdb/node-api';

/** From when to when is to be learnt, over restarts. Microseconds since the epoch. */
export interface LearningWindow {
  start: number;
  end: number;
}

/** What makes two runs of learn parts of the same window. */
export interface LearningPlan {
  host: string;
  target: 'host' | 'container';
  seconds: number;
}

/**
 * The window that the last run with the same plan was in, when that run was cut short and the window is not over yet;
 * otherwise a new one from `now` on. A run that its user ended has ended its window.
 */
export async function learningWindow(
  connection: DuckDBConnection,
  { host, target, seconds }: LearningPlan,
  now: number,
): Promise<LearningWindow & { resumed: boolean }> {
  const rows = await connection.runAndReadAll(
    `SELECT window_start, window_end, state FROM recording
    WHERE command = 'learn' AND host = $1 AND target = $2 AND window_end - window_start = $3
    ORDER BY id DESC LIMIT 1`,
    [host, target, BigInt(seconds) * 1_000_000n],
  );
  const [start, end, state] = rows.getRowsJS()[0] ?? [];
  if (state === 'interrupted' && Number(end) > now) {
    return { start: Number(start), end: Number(end), resumed: true };
  }
  return { start: now, end: now + seconds * 1_000_000, resumed: false };
}
