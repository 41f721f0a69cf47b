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
