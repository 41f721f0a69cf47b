import { Operation, Verdict as VerdictNumber } from '../../profiler/event/batch.ts';
import type { Reader } from '../../profiler/read/read.ts';
import type { Timeline, Verdict } from './html/page-data.ts';

/** Parts of the window. */
const PARTS = 80;
const SECOND = 1_000_000;

/** Connections by time between two moments, microseconds since the epoch. Those of a folded hour count at its first. */
export async function readTimeline(reader: Reader, first: number, last: number): Promise<Timeline> {
  const width = Math.max(SECOND, Math.ceil((last - first + 1) / PARTS));
  const part = (time: string, table: string): string =>
    `SELECT (${time} - ${first}) // ${width} AS part, verdict, sum(count) AS count FROM ${table}
     WHERE ${time} >= ${first} AND ${time} <= ${last} AND operation <> ${Operation.intent} GROUP BY ALL`;
  const { rows } = await reader.query(`${part('time', 'event')} UNION ALL ${part('first', 'hourly')}`);
  const empty = (): number[] => Array.from({ length: Math.ceil((last - first + 1) / width) }, () => 0);
  const counts: Record<Verdict, number[]> = { allow: empty(), deny: empty(), noted: empty() };
  for (const [at, verdict, count] of rows)
    counts[WORDS.get(Number(verdict)) ?? 'deny'][Number(at)]! += Number(count);
  return { start: first, width, counts };
}

const WORDS: ReadonlyMap<number, Verdict> = new Map(
  Object.entries(VerdictNumber).map(([word, number]) => [number, word as Verdict]),
);
