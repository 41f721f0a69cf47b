import type { Address } from '../../policy/value/address.ts';

/** The address in 4 or 16 bytes, network order; 0.0.0.0 in none, which a socket that was opened has. */
export function addressOf(bytes: Buffer): Address {
  return {
    family: bytes.length === 16 ? 6 : 4,
    value: bytes.length === 0 ? 0n : BigInt(`0x${bytes.toString('hex')}`),
  };
}
