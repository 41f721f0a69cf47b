import type { NetworkInterfaceInfo } from 'node:os';
import {
  type Address,
  canonicalAddress,
  formatAddress,
  parseAddress,
} from '../../../policy/value/address.ts';

const LOOPBACK = { 4: 0x7f00_0001n, 6: 1n } as const;

/** Addresses of this host, each once, without those of the loopback device. */
export function ownAddresses(
  interfaces: Readonly<Record<string, NetworkInterfaceInfo[] | undefined>>,
): Address[] {
  const found = new Map<string, Address>();
  for (const { address, internal } of Object.values(interfaces).flatMap((list) => list ?? [])) {
    // A link-local address of IPv6 is written with its device.
    const own = internal ? undefined : parseAddress(address.replace(/%.*$/, ''));
    if (own !== undefined) found.set(formatAddress(own), own);
  }
  return [...found.values()];
}

/**
 * Where a connection goes as each host of a workload would say it: an address of the host itself is its loopback, an
 * IPv4 address in IPv6 is IPv4.
 */
export function foldOwn(address: Address, own: ReadonlySet<string>): Address {
  const plain = canonicalAddress(address);
  if (plain.value === 0n || own.has(formatAddress(plain)))
    return { family: plain.family, value: LOOPBACK[plain.family] };
  return plain;
}

/** 4 or 16 bytes in network order. */
export function addressBytes({ family, value }: Address): Buffer {
  return Buffer.from(value.toString(16).padStart(family === 4 ? 8 : 32, '0'), 'hex');
}
