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
  /** Characters of one name, path or label. */
  text: 4095,
} as const;
