/** What parts names in lists, and all that no host's name has: one octet each, as in zone files. */
const ODD = /[^!-~]/gu;

/** Characters of the longest name that a message can hold: 254 octets, each written as four characters. */
export const LONGEST_NAME = 1016;

/**
 * A DNS name as the record keeps it: in lower case, without the last dot, and in characters that are seen. An
 * octet that is none of them is written as in a zone file: `\032` for a space.
 */
export function plainName(name: string): string {
  const bare = name.endsWith('.') ? name.slice(0, -1) : name;
  return bare.replace(ODD, octets).toLowerCase();
}

function octets(character: string): string {
  return [...Buffer.from(character, 'utf8')].map((octet) => `\\${String(octet).padStart(3, '0')}`).join('');
}
