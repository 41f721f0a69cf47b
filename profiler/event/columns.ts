/** The array that holds a column of numbers; its kind says the column's type. */
export type Column = Int32Array | Uint32Array | Uint8Array | Uint16Array | BigInt64Array | BigUint64Array;

export type Layout = Record<string, new (buffer: ArrayBufferLike, offset: number, length: number) => Column>;

/** Who made an event. */
export const ACTOR_KEY = {
  /** Row id in the process table. */
  process: Int32Array,
  /** Row id in the command table. */
  command: Int32Array,
  /** Row id in the credential table. */
  credential: Int32Array,
} as const satisfies Layout;

/** Where an event went. */
export const DESTINATION_KEY = {
  /** 4 or 6; 0 for `open`. */
  family: Uint8Array,
  /** Upper 64 bits of the address; 0 for IPv4. */
  addressHigh: BigUint64Array,
  addressLow: BigUint64Array,
  port: Uint16Array,
  protocol: Uint16Array,
} as const satisfies Layout;

/** By which names the address of an event was known when it came. */
export const NAME_KEY = {
  /** Row id in the table name_set; 0 where no name was known. */
  names: Uint32Array,
  /** See `Known`. */
  known: Uint8Array,
} as const satisfies Layout;

/**
 * Who asked for a name that an address is known by: the process itself, its container or cgroup, or anybody on
 * the host. Unbelieved is what somebody answered who counts for no verdict in that network namespace. 0 where no name
 * was known.
 */
export const Known = { self: 1, cgroup: 2, host: 3, unbelieved: 4 } as const;
export type KnownBy = keyof typeof Known;

const KNOWN_BY: ReadonlyMap<number, KnownBy> = new Map(
  Object.entries(Known).map(([word, number]) => [number, word as KnownBy]),
);

/**
 * Who asked, and the seconds since the end of the TTL, as an event has them; undefined where no name was known. A number
 * that this version does not know is the least that it may be.
 */
export function knownOf(number: number, age: number): { by: KnownBy; age: number } | undefined {
  return number === 0 ? undefined : { by: KNOWN_BY.get(number) ?? 'host', age };
}

const NAMED = {
  ...NAME_KEY,
  /** Seconds after the end of the TTL, negative before it; 0 where no name was known. Of an hour the most. */
  age: Int32Array,
} as const satisfies Layout;

/** What equal events have in common, in the order in which the tables `event` and `hourly` hold it. */
export const EVENT_KEY = {
  ...ACTOR_KEY,
  ...DESTINATION_KEY,
  /** See `Operation` of batch.ts. */
  operation: Uint8Array,
  /** See `Verdict` of batch.ts. */
  verdict: Uint8Array,
  /** Index into the boxes of the policy in force; -1 when no box decided or no policy was loaded. */
  box: Int32Array,
} as const satisfies Layout;

/** The columns of `event` after the recording. */
export const EVENT = {
  /** Microseconds since the epoch. */
  time: BigInt64Array,
  ...EVENT_KEY,
  ...NAMED,
  /** How many equal events it stands for, itself included: of datagrams within a second. */
  count: Uint32Array,
  /** Microseconds from the first of them, at `time`, to the last. */
  span: Uint32Array,
} as const satisfies Layout;

/** The columns of `hourly` after the recording. */
export const HOURLY = {
  ...EVENT_KEY,
  count: BigInt64Array,
  first: BigInt64Array,
  last: BigInt64Array,
  ...NAMED,
} as const satisfies Layout;

export type Columns<L extends Layout> = { readonly [Name in keyof L]: InstanceType<L[Name]> };

/** One row of all columns. */
export type Values<L extends Layout> = {
  [Name in keyof L]: InstanceType<L[Name]> extends BigInt64Array | BigUint64Array ? bigint : number;
};

/** The names that SQL has for the columns of a layout: `address_high` for `addressHigh`. */
export function sqlNames(layout: Layout): string[] {
  return Object.keys(layout).map((name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
}

/** Bytes that `rows` rows of all columns take; each column begins at a multiple of 8. */
export function sizeOf(layout: Layout, rows: number): number {
  return Object.values(layout).reduce((sum, kind) => sum + columnSize(kind, rows), 0);
}

/** Arrays for `rows` rows of all columns, one behind the other in `buffer` from `offset` on. */
export function columnsIn<L extends Layout>(
  layout: L,
  rows: number,
  buffer: ArrayBufferLike,
  offset: number,
): Columns<L> {
  let at = offset;
  const columns = Object.entries(layout).map(([name, kind]) => {
    const column = new kind(buffer, at, rows);
    at += columnSize(kind, rows);
    return [name, column] as const;
  });
  return Object.fromEntries(columns) as Columns<L>;
}

function columnSize(kind: Layout[string], rows: number): number {
  const { BYTES_PER_ELEMENT } = kind as unknown as { BYTES_PER_ELEMENT: number };
  return (rows * BYTES_PER_ELEMENT + 7) & ~7;
}
