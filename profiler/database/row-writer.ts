import type { EventBatch } from '../event/batch.ts';

/**
 * The tables of names beside the events, and of events that were folded from the start: few rows, one by one.
 */
export const NAME_TABLES = [
  'process',
  'container',
  'command',
  'credential',
  'account',
  'box',
  'loss',
  'clock_step',
  'hourly',
  'name',
  'name_set',
  'answer',
] as const;
export type NameTable = (typeof NAME_TABLES)[number];

/** A value of such a table. Undefined and empty text are stored as NULL: unknown. */
export type Cell = string | number | bigint | readonly number[] | readonly string[] | undefined;

export interface RecordingEnd {
  state: 'complete' | 'interrupted';
  events: number;
}

/** Rows of processes that have been given away for good. */
export interface Settled {
  /** Row ids up to this one, it included, were given so far. */
  last: number;
  /** Those of them that later events may name; they name no other. */
  kept: Int32Array;
}

/**
 * Takes the rows of one recording to the database: at once, or through another process. After a failure (a
 * full disk, say) every call throws that same BouhekiError and what was committed before stays.
 */
export interface RowWriter {
  /** Events that can be appended without a wait. */
  readonly room: number;
  readonly failure: Error | undefined;
  /** One value a column of the table, in its order, but for the recording. */
  add(table: NameTable, cells: readonly Cell[]): void;
  /** Takes a copy of the batch. */
  append(batch: EventBatch): void;
  /** Commits everything so far, and notes which processes no later event names. */
  settle(settled: Settled): void;
  /** Commits everything so far, and notes that no later event names a set of names up to this row id. */
  retireNames(last: number): void;
  /** Commits everything so far, names before events. */
  commit(): void;
  /** Commits, closes the recording, and resolves when that is done. */
  end(end: RecordingEnd): Promise<void>;
  /** Gives up what is not committed, for a database that cannot be written any more. Never throws. */
  abandon(): void;
}
