import { type Address, formatAddress, parseLiteral } from './address.ts';

/** A block of addresses. Host bits are zero. */
export interface Prefix {
  family: 4 | 6;
  /** The first address of the block as an unsigned number of 32 or 128 bits. */
  value: bigint;
  /** Number of leading bits that are fixed: 0-32 or 0-128. */
  length: number;
}

/** What `readPrefix` found: a prefix and whether host bits had to be cleared, or why the text is none. */
export type PrefixReading = { prefix: Prefix; cleared: boolean } | { fault: string };

/**
 * Reads `10.0.0.0/8`, `fd00::/8` or a bare address (one address). Host bits are cleared. A prefix inside
 * `::ffff:0:0/96` is the IPv4 prefix. Undefined when the text is not a prefix.
 */
export function parsePrefix(text: string): Prefix | undefined {
  const reading = readPrefix(text);
  return 'prefix' in reading ? reading.prefix : undefined;
}

/** Like `parsePrefix`, but says what is wrong, and whether host bits were set. */
export function readPrefix(text: string): PrefixReading {
  const slash = text.indexOf('/');
  const address = parseLiteral(slash < 0 ? text : text.slice(0, slash));
  if (!address) return { fault: addressFault(text) };
  const bits = address.family === 4 ? 32 : 128;
  let length = bits;
  if (slash >= 0) {
    const digits = text.slice(slash + 1);
    if (!/^(0|[1-9]\d{0,2})$/.test(digits) || Number(digits) > bits) {
      return { fault: `"/${digits}" is not a prefix length of IPv${address.family}, 0 to ${bits}` };
    }
    length = Number(digits);
  }
  const value = length === bits ? address.value : clearHostBits(address.value, bits, length);
  const cleared = value !== address.value;
  if (address.family === 6 && length >= 96 && value >> 32n === 0xffffn) {
    return { prefix: { family: 4, value: value & 0xffff_ffffn, length: length - 96 }, cleared };
  }
  return { prefix: { family: address.family, value, length }, cleared };
}

/** `10.0.0.0/8`; always with the length. */
export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix)}/${prefix.length}`;
}

/** The block of one address. */
export function prefixOf(address: Address): Prefix {
  return { family: address.family, value: address.value, length: address.family === 4 ? 32 : 128 };
}

/** The last address of the block, as a number. */
export function lastOf(prefix: Prefix): bigint {
  return prefix.value + sizeOf(prefix) - 1n;
}

/** How many addresses the block holds. */
export function sizeOf(prefix: Prefix): bigint {
  return 1n << BigInt((prefix.family === 4 ? 32 : 128) - prefix.length);
}

/** Whether the address lies in the block. */
export function containsAddress(prefix: Prefix, address: Address): boolean {
  return prefix.family === address.family && address.value >= prefix.value && address.value <= lastOf(prefix);
}

/** Whether every address of `inner` lies in `outer`. */
export function containsPrefix(outer: Prefix, inner: Prefix): boolean {
  return inner.length >= outer.length && containsAddress(outer, inner);
}

/** Orders by family, first address, then the wider block first. */
export function comparePrefixes(a: Prefix, b: Prefix): number {
  if (a.family !== b.family) return a.family - b.family;
  if (a.value !== b.value) return a.value < b.value ? -1 : 1;
  return a.length - b.length;
}

function clearHostBits(value: bigint, bits: number, length: number): bigint {
  const host = BigInt(bits - length);
  return (value >> host) << host;
}

function addressFault(text: string): string {
  const address = text.split('/')[0]!;
  if (address.includes('%')) return `"${text}" has a zone; policies hold addresses without one`;
  if (/^\d+(\.\d+){3}$/.test(address)) {
    const zero = address.split('.').some((octet) => /^0\d/.test(octet));
    return zero
      ? `"${text}" has a leading zero, which some programs read as octal`
      : `"${text}" has an octet above 255`;
  }
  return `"${text}" is not an address or a CIDR`;
}
