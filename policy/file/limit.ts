/**
 * What a policy file may hold at most. The kernel's own, lower limits are checked where a policy is compiled
 * for it.
 */
export const LIMITS = {
  /** Characters of the file: 100,000 prefixes, one a line with indentation, take about 5 million. */
  source: 16 * 1024 * 1024,
  /** Nested collections; a policy needs nine. */
  depth: 32,
  /** Rules after each was multiplied by the entries of its `to`. */
  boxes: 65_536,
  /** Each denial is compared with them one by one. */
  modes: 256,
  /** Characters of one name, path or label. */
  text: 4095,
} as const;

/**
 * A name made longer, cut where it would be longer than a policy may hold: it ends with `suffix` all the same.
 */
export function extendName(name: string, suffix: string): string {
  if (name.length + suffix.length <= LIMITS.text) return name + suffix;
  // Half of a surrogate pair is no character.
  const cut = name.slice(0, LIMITS.text - suffix.length - 1).replace(/[\ud800-\udbff]$/, '');
  return `${cut}…${suffix}`;
}
