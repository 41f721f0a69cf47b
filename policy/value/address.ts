/** An IP address in canonical form: an IPv4-mapped IPv6 address is the IPv4 address. */
export interface Address {
  family: 4 | 6;
  /** The address as an unsigned number of 32 (IPv4) or 128 (IPv6) bits. */
  value: bigint;
}

/** `::ffff:0:0/96`, whose last 32 bits are an IPv4 address. */
const MAPPED = 0xffffn << 32n;

/**
 * Reads an address as text. Strict: four decimal octets without leading zeros, or RFC 4291 IPv6 without a
 * zone. An IPv4-mapped IPv6 address is returned as the IPv4 address. Undefined when the text is not an
 * address.
 */
export function parseAddress(text: string): Address | undefined {
  const address = parseLiteral(text);
  return address && canonicalAddress(address);
}

/** The IPv4 address inside an IPv4-mapped IPv6 address; any other address as it is. */
export function canonicalAddress(address: Address): Address {
  return address.family === 6 && address.value >> 32n === 0xffffn
    ? { family: 4, value: address.value - MAPPED }
    : address;
}

/**
 * Like `parseAddress`, but a mapped address stays IPv6: the prefix parser needs to know how it was written.
 */
export function parseLiteral(text: string): Address | undefined {
  if (text.includes(':')) {
    const value = parseV6(text);
    return value === undefined ? undefined : { family: 6, value };
  }
  const value = parseV4(text);
  return value === undefined ? undefined : { family: 4, value: BigInt(value) };
}

/** Numbers of a byte as text: policies hold hundreds of thousands of them. */
const OCTETS = Array.from({ length: 256 }, (_, octet) => String(octet));

/** Canonical text: dotted IPv4, or IPv6 as RFC 5952 says (lower case, the longest run of zeros as `::`). */
export function formatAddress(address: Address): string {
  if (address.family === 4) {
    const value = Number(address.value);
    return `${OCTETS[value >>> 24]}.${OCTETS[(value >>> 16) & 255]}.${OCTETS[(value >>> 8) & 255]}.${OCTETS[value & 255]}`;
  }
  const groups: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(Number((address.value >> shift) & 0xffffn));
  const [start, length] = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

/** Orders by family, then by value. */
export function compareAddresses(a: Address, b: Address): number {
  if (a.family !== b.family) return a.family - b.family;
  return a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
}

/**
 * Walks the characters: a policy may hold 100,000 of these, and a regular expression costs four times as
 * much.
 */
function parseV4(text: string): number | undefined {
  let value = 0;
  let octet = 0;
  let digits = 0;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 46) {
      if (digits === 0 || ++dots > 3) return undefined;
      value = value * 256 + octet;
      octet = 0;
      digits = 0;
    } else {
      if (code < 48 || code > 57 || (digits > 0 && octet === 0)) return undefined;
      octet = octet * 10 + code - 48;
      digits++;
      if (octet > 255) return undefined;
    }
  }
  return dots === 3 && digits > 0 ? value * 256 + octet : undefined;
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : [];
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  let value = 0n;
  for (const group of [...head, ...Array.from({ length: missing }, () => 0), ...tail]) {
    value = (value << 16n) | BigInt(group);
  }
  return value;
}

/** The 16-bit groups of one side of `::`. A dotted IPv4 tail counts as two and may only end the address. */
function parseGroups(text: string, endsAddress: boolean): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (part.includes('.') && endsAddress && index === parts.length - 1) {
      const value = parseV4(part);
      if (value === undefined) return undefined;
      groups.push(value >>> 16, value & 0xffff);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
      groups.push(Number.parseInt(part, 16));
    }
  }
  return groups;
}

function longestZeroRun(groups: number[]): [start: number, length: number] {
  let best: [number, number] = [0, 0];
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (end < groups.length && groups[end] === 0) end++;
    if (end - start > best[1]) best = [start, end - start];
  }
  return best;
}
