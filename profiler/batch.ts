/**
 * What the process did. `intent` is a UDP connect(): it becomes an observation only when something is sent. `open` is a
 * socket or an option that no destination can be judged by: its family is 0, its port the SocketKind of wire.ts.
 */
export const Operation = { connect: 0, send: 1, intent: 2, open: 3 } as const;
export type Operation = (typeof Operation)[keyof typeof Operation];

/** Rows per DuckDB data chunk. */
export const BATCH_ROWS = 2048;

/** Up to 2,048 events as columns, the shape in which DuckDB takes them fastest. Filled, appended, reset, reused. */
export class EventBatch {
  length = 0;
  /** Microseconds since the epoch. */
  readonly time = new BigInt64Array(BATCH_ROWS);
  /** Row id in the process table. */
  readonly process = new Int32Array(BATCH_ROWS);
  /** Row id in the command table. */
  readonly command = new Int32Array(BATCH_ROWS);
  readonly uid = new Uint32Array(BATCH_ROWS);
  readonly gid = new Uint32Array(BATCH_ROWS);
  /** 4 or 6; 0 for `open`. */
  readonly family = new Uint8Array(BATCH_ROWS);
  /** Upper 64 bits of the address; 0 for IPv4. */
  readonly addressHigh = new BigUint64Array(BATCH_ROWS);
  readonly addressLow = new BigUint64Array(BATCH_ROWS);
  readonly port = new Uint16Array(BATCH_ROWS);
  readonly protocol = new Uint16Array(BATCH_ROWS);
  /** See `Operation`. */
  readonly operation = new Uint8Array(BATCH_ROWS);
  /** 0 allow, 1 deny. In monitor mode the would-be verdict. */
  readonly verdict = new Uint8Array(BATCH_ROWS);
  /** Index into the boxes of the policy in force; -1 when no box decided or no policy was loaded. */
  readonly box = new Int32Array(BATCH_ROWS);

  get full(): boolean {
    return this.length === BATCH_ROWS;
  }
}
