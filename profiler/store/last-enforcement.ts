import type { DuckDBConnection } from '@duckdb/node-api';

/** The run before that blocked by a policy. */
export interface LastEnforcement {
  /** Its recording, and the host that it was on. */
  recording: number;
  host: string;
  /** Its last sign, or its end in order. Microseconds since the epoch. */
  endedAt: number;
  /** Whether it was ended in order rather than killed. */
  inOrder: boolean;
}

/** To be asked when nothing is being recorded. Undefined where nothing was ever enforced. */
export async function lastEnforcement(connection: DuckDBConnection): Promise<LastEnforcement | undefined> {
  const rows = await connection.runAndReadAll(
    `SELECT id, host, ended_at, state = 'complete' FROM recording
    WHERE command = 'enforce' AND mode = 'block' AND ended_at IS NOT NULL ORDER BY id DESC LIMIT 1`,
  );
  const [row] = rows.getRowsJS();
  if (row === undefined) return undefined;
  const [recording, host, endedAt, inOrder] = row;
  return {
    recording: Number(recording),
    host: String(host),
    endedAt: Number(endedAt),
    inOrder: inOrder === true,
  };
}
