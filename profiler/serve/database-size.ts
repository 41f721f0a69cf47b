import { statSync } from 'node:fs';

/** Bytes of a database and of its log, the part that is not folded into it yet. */
export interface DatabaseSize {
  bytes: number;
  log: number;
}

export function databaseSize(path: string): DatabaseSize {
  return { bytes: sizeOf(path), log: sizeOf(`${path}.wal`) };
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
