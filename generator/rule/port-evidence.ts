import { formatCount, formatNumber } from '../../format/number.ts';
import { formatPrefix } from '../../policy/value/cidr.ts';
import { formatPortRange } from '../../policy/value/port.ts';
import { formatProtocol } from '../../policy/value/protocol.ts';
import { portCount } from './port-range.ts';
import type { Entry, Rule } from './rule.ts';

/** The entries of rules that allow ports which were not seen. */
function ranged(rules: readonly Rule[]): (Entry & { allowed: number; seen: number })[] {
  return rules.flatMap(({ entries }) =>
    entries.flatMap((entry) =>
      entry.seenPorts === undefined
        ? []
        : [{ ...entry, allowed: portCount(entry.ports!), seen: entry.seenPorts }],
    ),
  );
}

/** `range of ports, 181 of 2,987 seen: 192.0.2.1:50012-52998/tcp`: what is to be marked. */
export function describeRanges(rule: Rule): string[] {
  return ranged([rule]).map(({ allowed, names, observed, ports, protocols, seen }) => {
    const wide = ports!.filter(({ first, last }) => first < last).map(formatPortRange);
    const where = names?.[0] ?? formatPrefix(observed[0]!).replace(/\/\d+$/, '');
    const how = protocols.map(formatProtocol).join('+');
    return `range of ports, ${formatNumber(seen)} of ${formatNumber(allowed)} seen: ${where} ${wide.join(', ')}/${how}`;
  });
}

/** For the header of a policy. */
export function rangeNotes(rules: readonly Rule[]): string[] {
  const all = ranged(rules);
  if (all.length === 0) return [];
  const sum = (of: (entry: (typeof all)[number]) => number): number =>
    all.reduce((total, each) => total + of(each), 0);
  const [allowed, seen] = [sum((each) => each.allowed), sum((each) => each.seen)].map(formatNumber);
  return [
    `Ports: ${formatCount(all.length, 'destination')} with ranges, ${allowed} ports allowed for ${seen} that were seen; marked for review.`,
  ];
}
