import { type Blocks, blocksOf, commonLength, lowerBound } from './blocks.ts';
import { ZONES } from './zone.ts';
import type { Prefix } from '../../policy/value/cidr.ts';

/** What no prefix of a cover may do. */
export interface Limits {
  /** Addresses that no prefix may hold, merged. None of them was observed. */
  denied: readonly Prefix[];
  /** The shortest prefix lengths that may come out. */
  widest: { 4: number; 6: number };
  /** Whether private and special-purpose ranges must not share a prefix with other addresses. */
  zones: boolean;
}

/** Nothing public is granted in blocks wider than a registry hands out. */
export const WIDEST = { 4: 8, 6: 32 } as const;

/**
 * For every block the shortest prefix around it that breaks no limit. Each limit is such a length: a prefix
 * around an observed address holds a denied block exactly if it is no longer than what the two have in
 * common. So one number per block stands for all of them, and whether an inner node of the tree may be a
 * prefix is one comparison.
 */
export function floorsOf(blocks: Blocks, family: 4 | 6, limits: Limits): Uint8Array {
  const floors = new Uint8Array(blocks.length.length).fill(limits.widest[family]);
  raise(floors, blocks, blocksOf(limits.denied, family));
  if (limits.zones) raiseByZones(floors, blocks, family);
  return floors;
}

/**
 * Denied blocks are disjoint, so the one with most bits in common is a neighbour in the order of addresses.
 */
export function raise(floors: Uint8Array, blocks: Blocks, denied: Blocks): void {
  const count = denied.length.length;
  if (count === 0) return;
  for (let index = 0; index < floors.length; index++) {
    const next = lowerBound(denied, blocks, index);
    let common = -1;
    if (next < count) common = commonLength(blocks, index, denied, next);
    if (next > 0) common = Math.max(common, commonLength(blocks, index, denied, next - 1));
    floors[index] = Math.max(floors[index]!, common + 1);
  }
}

function raiseByZones(floors: Uint8Array, blocks: Blocks, family: 4 | 6): void {
  const zones = ZONES.filter((zone) => zone.family === family).map((zone) => blocksOf([zone], family));
  for (let index = 0; index < floors.length; index++) {
    for (const zone of zones) {
      const length = zone.length[0]!;
      const common = commonLength(blocks, index, zone, 0);
      // Inside the zone a prefix may be as wide as the zone; outside it must stop short of it.
      floors[index] = Math.max(floors[index]!, common === length ? length : common + 1);
    }
  }
}
