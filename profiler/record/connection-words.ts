import { Connection } from '../../bpf/wire.ts';

/**
 * Bytes of struct connection. As constants: an object of so many members is looked up like a table, at 25 ns
 * an event.
 */
export const { family: FAMILY, operation: OPERATION, flags: FLAGS, verdict: VERDICT } = Connection.offset;

/** Words of struct connection. */
const { offset: at } = Connection;
export const TIME = at.time >> 2;
export const ADDRESS = at.address >> 2;
/** The first of six ids. */
export const IDS = at.uid >> 2;
export const KEY = at.process >> 2;
export const COMM = at.comm >> 2;
export const BOX = at.box >> 2;
export const PORT = at.port >> 2;
export const GENERATION = at.generation >> 2;

/** A word in network order as a number. */
export function swapped(word: number): number {
  return ((word >>> 24) | ((word >>> 8) & 0xff00) | ((word << 8) & 0xff_0000) | (word << 24)) >>> 0;
}

/** The lower and the upper half of each, one after the other. */
export function halves({ buffer, byteOffset, length }: BigInt64Array | BigUint64Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, 2 * length);
}
