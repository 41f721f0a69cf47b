import type { PortRange } from '../../policy/value/port.ts';

/** Ranges of three ports and more where every port was seen; `ports` is sorted and without repeats. */
export function portRanges(ports: readonly number[]): PortRange[] {
  const ranges: PortRange[] = [];
  for (let at = 0; at < ports.length;) {
    let end = at;
    while (ports[end + 1] === ports[end]! + 1) end++;
    if (end - at < 2) end = at;
    ranges.push({ first: ports[at]!, last: ports[end]! });
    at = end + 1;
  }
  return ranges;
}

/** Distinct ports of one destination from which on they are taken for ports that a service chooses anew each time. */
const MANY = 32;
/** Below are services of their own, which nobody chooses by chance. */
const CHOSEN = 1024;
/** A gap so many times as long as the one in the middle parts two ranges. */
const APART = 16;
/** A range that holds more ports for each that was seen is none that a service was set up with. */
const WIDEST = 128;

/**
 * Ranges for the ports that a service chooses anew for each connection, such as those of passive FTP, beside its other
 * ports; undefined where there are none. `ports` is sorted and without repeats.
 */
export function chosenRanges(ports: readonly number[]): PortRange[] | undefined {
  const chosen = ports.filter((port) => port >= CHOSEN);
  if (chosen.length < MANY) return undefined;
  const gaps = chosen.slice(1).map((port, index) => port - chosen[index]!);
  const middle = gaps.toSorted((a, b) => a - b)[gaps.length >> 1]!;
  const parts: number[][] = [[chosen[0]!]];
  for (const [index, gap] of gaps.entries()) {
    if (gap > APART * middle) parts.push([]);
    parts.at(-1)!.push(chosen[index + 1]!);
  }
  const ranges = parts.map((part): PortRange[] => {
    const [first, last] = [part[0]!, part.at(-1)!];
    const wide = part.length < MANY || last - first + 1 > WIDEST * part.length;
    return wide ? portRanges(part) : [{ first, last }];
  });
  if (ranges.flat().length >= portRanges(chosen).length) return undefined;
  return [...portRanges(ports.filter((port) => port < CHOSEN)), ...ranges.flat()];
}

/** How many ports ranges hold, which share none. */
export function portCount(ranges: readonly PortRange[]): number {
  return ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}
