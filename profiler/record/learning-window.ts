import type { DuckDBConnection } from '@duckdb/node-api';

/** From when to when is to be learnt, over restarts. Microseconds since the epoch. */
export interface LearningWindow {
  start: number;
  end: number;
}

/**
 * The window that a run is in, whether an earlier run began it, and how much of it had passed at the start of this one,
 * microseconds: later readings of the clock say nothing of that.
 */
export interface RunningWindow extends LearningWindow {
  resumed: boolean;
  passed: number;
}

/** What makes two runs of learn parts of the same window. */
export interface LearningPlan {
  host: string;
  target: 'host' | 'container';
  seconds: number;
}

/**
 * The window that the last run with the same plan was in, when that run was cut short and the window is not
 * over yet; otherwise a new one from `now` on. A run that its user ended has ended its window. Where the
 * clock was set, the window is as if it had always shown what it shows now: as much is left of it as was left
 * then.
 */
export async function learningWindow(
  connection: DuckDBConnection,
  { host, target, seconds }: LearningPlan,
  now: number,
): Promise<RunningWindow> {
  const rows = await connection.runAndReadAll(
    `SELECT window_end + coalesce((SELECT sum(step) FROM clock_step s WHERE s.recording = r.id), 0), ended_at, state
    FROM recording r
    WHERE command = 'learn' AND host = $1 AND target = $2 AND window_end - window_start = $3
    ORDER BY id DESC LIMIT 1`,
    [host, target, BigInt(seconds) * 1_000_000n],
  );
  const [end, endedAt, state] = rows.getRowsJS()[0] ?? [];
  const whole = seconds * 1_000_000;
  // A clock that is behind the end of that run says nothing of the time since.
  const left = Math.min(Number(end) - Math.max(now, Number(endedAt)), whole);
  if (state !== 'interrupted' || left <= 0)
    return { start: now, end: now + whole, resumed: false, passed: 0 };
  return { start: now + left - whole, end: now + left, resumed: true, passed: whole - left };
}
