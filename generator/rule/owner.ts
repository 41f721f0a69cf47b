import { lastOf, type Prefix } from '../../policy/value/cidr.ts';
import { AddressSet } from '../destination/address-set.ts';
import { ZONES } from '../prefixes/zone.ts';

/** A block and who announced it. */
export interface OwnedBlock {
  owner: string;
  prefix: Prefix;
}

const special = new AddressSet(ZONES);

/** Published blocks and their owners, looked up by address. */
export class OwnerTable {
  /** How many blocks there are. */
  readonly size: number;
  /** By family and length: first address to owner. */
  readonly #blocks: Record<4 | 6, Map<number, Map<bigint, string>>> = { 4: new Map(), 6: new Map() };
  readonly #lengths: Record<4 | 6, number[]>;

  /** Where a block has several owners, the first one counts. */
  constructor(blocks: readonly OwnedBlock[]) {
    this.size = blocks.length;
    for (const { owner, prefix } of blocks) {
      const byLength = this.#blocks[prefix.family];
      const known = byLength.get(prefix.length) ?? new Map<bigint, string>();
      byLength.set(prefix.length, known);
      if (!known.has(prefix.value)) known.set(prefix.value, owner);
    }
    const lengths = (family: 4 | 6) => [...this.#blocks[family].keys()].sort((a, b) => b - a);
    this.#lengths = { 4: lengths(4), 6: lengths(6) };
  }

  /** The longest published block around a prefix; undefined when there is none, or the address is private. */
  find(prefix: Prefix): OwnedBlock | undefined {
    const { family, value } = prefix;
    if (special.has({ family, value })) return undefined;
    const bits = family === 4 ? 32 : 128;
    for (const length of this.#lengths[family]) {
      if (length > prefix.length) continue;
      const host = BigInt(bits - length);
      const first = (value >> host) << host;
      const owner = this.#blocks[family].get(length)!.get(first);
      if (owner !== undefined) return { owner, prefix: { family, value: first, length } };
    }
    return undefined;
  }
}

/** Whether two blocks share an address. */
export function overlaps(a: Prefix, b: Prefix): boolean {
  return a.family === b.family && a.value <= lastOf(b) && b.value <= lastOf(a);
}
