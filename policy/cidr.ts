/** A block of addresses. Host bits are zero. */
export interface Prefix {
  family: 4 | 6;
  /** The first address of the block as an unsigned number of 32 or 128 bits. */
  value: bigint;
  /** Number of leading bits that are fixed: 0-32 or 0-128. */
  length: number;
}
