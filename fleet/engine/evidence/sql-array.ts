/**
 * Arrays as PostgreSQL writes them. The client library's own way quotes each element, which costs more than all else
 * that a hub does with a row.
 */
export function listArray<Row>(rows: readonly Row[], valueOf: (row: Row) => number | bigint): string {
  return `{${rows.map(valueOf).join()}}`;
}

export function byteArray(all: readonly Buffer[]): string {
  return `{${all.map((bytes) => `"\\\\x${bytes.toString('hex')}"`).join()}}`;
}

/** Of text that has neither quotes nor backslashes. */
export function textArray(all: readonly string[]): string {
  return `{${all.map((text) => `"${text}"`).join()}}`;
}
