import type { Prefix } from '../../policy/value/cidr.ts';

/** Blocks of one family in order, none inside another, as machine words. */
export interface Blocks {
  /** 4 or 6; a test may use narrower addresses of one word. */
  words: Uint32Array;
  /** Words of one address, most significant first. */
  wordsEach: number;
  /** Prefix length of every block. */
  length: Uint8Array;
  /**
   * The prefix length of the smallest block that counts: 32 for IPv4, 64 for IPv6. All that is inside one /64
   * belongs to one network, and 2^64 hosts are no measure of anything.
   */
  unit: number;
}

/** The blocks of one family. `prefixes` are as `mergePrefixes` gives them: in order, disjoint. */
export function blocksOf(prefixes: readonly Prefix[], family: 4 | 6): Blocks {
  const own = prefixes.filter((prefix) => prefix.family === family);
  const wordsEach = family === 4 ? 1 : 4;
  const words = new Uint32Array(own.length * wordsEach);
  for (const [index, { value }] of own.entries()) {
    if (family === 4) words[index] = Number(value);
    else for (let word = 0; word < 4; word++) words[index * 4 + word] = wordOf(value, word);
  }
  return {
    words,
    wordsEach,
    length: Uint8Array.from(own, (prefix) => prefix.length),
    unit: family === 4 ? 32 : 64,
  };
}

/** The prefix of `length` bits around block `index`. */
export function prefixAround({ words, wordsEach }: Blocks, index: number, length: number): Prefix {
  let value = 0n;
  for (let word = 0; word < wordsEach; word++) {
    value = (value << 32n) | BigInt(words[index * wordsEach + word]!);
  }
  const host = BigInt(32 * wordsEach - length);
  return { family: wordsEach === 1 ? 4 : 6, value: (value >> host) << host, length };
}

/**
 * How many leading bits block `index` of `a` and block `other` of `b` have in common; no more than the
 * shorter has.
 */
export function commonLength(a: Blocks, index: number, b: Blocks, other: number): number {
  const limit = Math.min(a.length[index]!, b.length[other]!);
  const each = a.wordsEach;
  let common = 0;
  for (let word = 0; word < each; word++) {
    const bits = Math.clz32(a.words[index * each + word]! ^ b.words[other * each + word]!);
    common += bits;
    if (bits < 32 || common >= limit) break;
  }
  return Math.min(common, limit);
}

/** Number of the first block of `blocks` that does not begin before block `index` of `other`. */
export function lowerBound(blocks: Blocks, other: Blocks, index: number): number {
  let low = 0;
  let high = blocks.length.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (beginsBefore(blocks, middle, other, index)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function beginsBefore(a: Blocks, index: number, b: Blocks, other: number): boolean {
  const each = a.wordsEach;
  for (let word = 0; word < each; word++) {
    const left = a.words[index * each + word]!;
    const right = b.words[other * each + word]!;
    if (left !== right) return left < right;
  }
  return false;
}

function wordOf(value: bigint, word: number): number {
  return Number((value >> BigInt(96 - 32 * word)) & 0xffff_ffffn);
}
