import type { Address } from '../../policy/value/address.ts';
import { destinationAddress, type Destined } from './destination.ts';

/**
 * What is computed of an address once, and looked up for all other observations that went there: a large record has far
 * more of those than addresses.
 */
export class ByAddress<T> {
  /** By the address as it was recorded: of IPv4 a number, of IPv6 a BigInt, which are different keys. */
  readonly #known = new Map<number | bigint, T>();
  readonly #compute: (address: Address) => T;

  constructor(compute: (address: Address) => T) {
    this.#compute = compute;
  }

  of(observation: Destined): T {
    const { address, family } = observation;
    const key = family === 4 ? Number(address) : address;
    let known = this.#known.get(key);
    if (known === undefined) this.#known.set(key, (known = this.#compute(destinationAddress(observation))));
    return known;
  }
}
