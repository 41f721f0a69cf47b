import { columnsIn, EVENT, sizeOf, type Columns } from './columns.ts';

/**
 * What the process did. `intent` is a UDP connect(): it becomes an observation only when something is sent.
 * `open` is a socket or an option that no destination can be judged by: its family is 0, its port the
 * SocketKind of wire.ts.
 */
export const Operation = { connect: 0, send: 1, intent: 2, open: 3 } as const;
export type Operation = (typeof Operation)[keyof typeof Operation];

/**
 * What was decided. `noted` is a denial in monitor mode, which stopped nothing: the mode may change while it is
 * recorded, so each event says it.
 */
export const Verdict = { allow: 0, deny: 1, noted: 2 } as const;

/** Rows per DuckDB data chunk. */
export const BATCH_ROWS = 2048;
/** Bytes of the columns of a batch. */
const BATCH_BYTES = sizeOf(EVENT, BATCH_ROWS);

/**
 * Up to 2,048 events as columns, the shape in which DuckDB takes them fastest. Filled, appended, reset,
 * reused.
 */
export class EventBatch {
  /** Rows. */
  length = 0;
  /** Events that these rows stand for. */
  events = 0;
  readonly columns: Columns<typeof EVENT>;
  /** All columns, as they lie in memory. */
  readonly bytes = new Uint8Array(BATCH_BYTES);

  constructor() {
    this.columns = columnsIn(EVENT, BATCH_ROWS, this.bytes.buffer, 0);
  }

  reset(): void {
    this.length = 0;
    this.events = 0;
  }

  get full(): boolean {
    return this.length === BATCH_ROWS;
  }
}
