import type { BoxVector } from './vector/box-vector.ts';

/** One value of one subject dimension that some box names, and the boxes that name it. */
export interface SubjectEntry {
  kind: number;
  /** Bytes of a SubjectKind.commandPrefix. */
  length: number;
  a: bigint;
  b: bigint;
  boxes: BoxVector;
}
