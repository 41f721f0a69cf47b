/** Both ends included. */
export interface PortRange {
  first: number;
  last: number;
}

/** Reads `443` or `8000-8010`, ports 0 to 65535, both ends included; undefined when it is neither. */
export function parsePortRange(text: string): PortRange | undefined {
  const match = /^(0|[1-9]\d{0,4})(?:-(0|[1-9]\d{0,4}))?$/.exec(text);
  if (!match) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  return first <= last && last <= 65535 ? { first, last } : undefined;
}

/** `443` or `8000-8010`. */
export function formatPortRange(range: PortRange): string {
  return range.first === range.last ? String(range.first) : `${range.first}-${range.last}`;
}
