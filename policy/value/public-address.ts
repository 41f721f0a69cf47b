import type { Address } from './address.ts';
import { containsAddress, parsePrefix, type Prefix } from './cidr.ts';
import { subtractPrefixes } from './prefix-set.ts';

/** What is IPv4 in NAT64, where the well-known prefix is used (RFC 6052). */
const NAT64 = { value: 0x0064_ff9bn << 96n, length: 96 };

/**
 * The addresses that are not for everybody on the internet: this network, private, shared, loopback, link-local,
 * protocol assignments, documentation, the relays of 6to4, benchmarks, multicast, reserved.
 */
const SPECIAL_V4 = prefixes(`
  0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24
  192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3`);

/** Within 2000::/3: protocol assignments with Teredo, documentation, and 6to4, in which any IPv4 address may be. */
const SPECIAL_V6 = prefixes('2001::/23 2001:db8::/32 2002::/16 3fff::/20');

const PUBLIC_V4 = subtractPrefixes(prefixes('0.0.0.0/0'), SPECIAL_V4);

/**
 * The addresses that anybody on the internet may have, and so the only ones that a name may mean where a rule does not
 * say which: whoever answers for a name could otherwise open this host, its network, or the address from which a cloud
 * machine gets its credentials. IANA's registries of special-purpose addresses say which are others.
 */
export const PUBLIC: readonly Prefix[] = [
  ...PUBLIC_V4,
  ...PUBLIC_V4.map(({ value, length }) => ({
    family: 6 as const,
    value: NAT64.value | value,
    length: NAT64.length + length,
  })),
  ...subtractPrefixes(prefixes('2000::/3'), SPECIAL_V6),
];

/** Whether anybody on the internet may have an address. */
export function isPublic(address: Address): boolean {
  return PUBLIC.some((prefix) => containsAddress(prefix, address));
}

function prefixes(texts: string): Prefix[] {
  return texts
    .trim()
    .split(/\s+/)
    .map((text) => parsePrefix(text)!);
}
