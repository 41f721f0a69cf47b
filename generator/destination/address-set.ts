import type { Address } from '../../policy/value/address.ts';
import { lastOf, type Prefix } from '../../policy/value/cidr.ts';
import { mergePrefixes } from '../../policy/value/prefix-set.ts';

/** Set of addresses as disjoint blocks, looked up by binary search. */
export class AddressSet {
  readonly #blocks: readonly Prefix[];
  readonly #last: readonly bigint[];

  constructor(prefixes: readonly Prefix[]) {
    this.#blocks = mergePrefixes(prefixes);
    this.#last = this.#blocks.map(lastOf);
  }

  has(address: Address): boolean {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const block = this.#blocks[middle]!;
      if (
        block.family < address.family ||
        (block.family === address.family && this.#last[middle]! < address.value)
      ) {
        low = middle + 1;
      } else high = middle;
    }
    const block = this.#blocks[low];
    return block !== undefined && block.family === address.family && block.value <= address.value;
  }
}
