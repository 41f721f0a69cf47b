/** Deeper than anything that is signed. */
const MOST_DEPTH = 16;

/**
 * The one way of writing a JSON value: keys sorted by UTF-16 code units, no spaces, keys without a value left out. Throws
 * RangeError where the value is nested more than 16 levels deep, or a number is not finite.
 */
export function canonicalJson(value: unknown, depth = 0): string {
  if (depth > MOST_DEPTH) throw new RangeError('nested too deep');
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError('a number is not finite');
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item, depth + 1)).join(',')}]`;
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field, depth + 1)}`);
  return `{${fields.join(',')}}`;
}

/** The value of bytes that are its canonical JSON; undefined for any others, such as those with a key twice. */
export function parseCanonical(bytes: Buffer): unknown {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return Buffer.from(canonicalJson(value)).equals(bytes) ? value : undefined;
  } catch {
    return undefined;
  }
}
