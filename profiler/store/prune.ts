import { INTEGER, LIST, listValue, type DuckDBConnection } from '@duckdb/node-api';
import type { Settled } from '../database/row-writer.ts';

/** The recording that is being written. */
export interface OpenRecording {
  readonly recording: number;
  /**
   * Undefined while nothing is, when the recorder may use any of its processes again; and when it has ended.
   */
  readonly settled: Settled | undefined;
  /** No later event names a set of names up to this row id. */
  readonly retiredNames: number;
}

/**
 * Rows looked at together. Processes and events come in the order of time, so that few events have to be
 * looked at.
 */
const PART = 131_072;

/**
 * Drops the processes that no event names: of recordings that have ended, and of the one that is being
 * written as far as they are settled. Part by part, so that it takes the same memory however many there are.
 */
export async function pruneProcesses(
  connection: DuckDBConnection,
  open: OpenRecording | undefined,
): Promise<void> {
  const settled = open?.settled;
  const parts = await connection.runAndReadAll(PARTS, [open?.recording ?? -1, settled?.last ?? -1]);
  for (const [recording, part] of parts.getRowsJS().map((row) => row.map(Number)) as [number, number][]) {
    const limits = recording === open?.recording ? settled : undefined;
    const first = part * PART;
    const end = Math.min(first + PART, (limits?.last ?? Number.POSITIVE_INFINITY) + 1);
    const kept = limits?.kept.filter((id) => id >= first && id < end) ?? [];
    await connection.run(
      PRUNE,
      { recording, first, end, kept: listValue([...kept]) },
      { kept: LIST(INTEGER) },
    );
  }
}

/**
 * Drops the sets of names that no event was known by, and names that are in none: of recordings that have
 * ended, and of the one that is being written as far as no later event can name them. Both have ids of one row
 * of numbers.
 */
export async function pruneNames(
  connection: DuckDBConnection,
  open: OpenRecording | undefined,
): Promise<void> {
  const limits = [open?.recording ?? -1, open?.retiredNames ?? 0];
  const some = await connection.runAndReadAll(`FROM name_set WHERE ${PRUNABLE} LIMIT 1`, limits);
  if (some.currentRowCount === 0) return;
  await connection.run(PRUNE_SETS, limits);
  await connection.run(PRUNE_NAMES, limits);
}

const PARTS = `
  SELECT DISTINCT recording, id // ${PART} FROM process
  WHERE recording IN (SELECT id FROM recording WHERE state <> 'open') OR (recording = $1 AND id <= $2)
  ORDER BY ALL`;

const PRUNE = `
  DELETE FROM process WHERE recording = $recording AND id >= $first AND id < $end
    AND id NOT IN (SELECT unnest($kept))
    AND id NOT IN (SELECT process FROM event WHERE recording = $recording AND process >= $first AND process < $end)
    AND id NOT IN (SELECT process FROM hourly WHERE recording = $recording AND process >= $first AND process < $end)
    AND id NOT IN (SELECT process FROM answer WHERE recording = $recording AND process >= $first AND process < $end)`;

const PRUNABLE = `(id <= $2 AND recording = $1 OR recording IN (SELECT id FROM recording WHERE state <> 'open'))`;

const PRUNE_SETS = `
  DELETE FROM name_set WHERE ${PRUNABLE} AND (recording, id) NOT IN (
    SELECT (recording, names) FROM event WHERE names > 0 UNION SELECT (recording, names) FROM hourly WHERE names > 0)`;

const PRUNE_NAMES = `
  DELETE FROM name WHERE ${PRUNABLE}
    AND (recording, id) NOT IN (SELECT (recording, unnest(names)) FROM name_set)`;
