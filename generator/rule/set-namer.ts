import { formatPrefix, parsePrefix, prefixOf } from '../../policy/value/cidr.ts';
import type { Rule } from './rule.ts';
import type { SetNamer } from './share.ts';
import type { WidenOptions } from './widen.ts';
import { destinationAddress } from '../destination/destination.ts';

/** A domain has this many labels at least. */
const LABELS = 2;

/**
 * Names for what rules share: the owner of the addresses where all have the same, else what the names have in common by
 * which they were known.
 */
export function setNamer(rules: readonly Rule[], { owners }: Pick<WidenOptions, 'owners'>): SetNamer {
  const known = new Map<string, Set<string>>();
  for (const { observations } of rules) {
    for (const observation of observations) {
      const { names, socket } = observation;
      if (names === undefined || socket !== undefined) continue;
      const text = formatPrefix(prefixOf(destinationAddress(observation)));
      const all = known.get(text) ?? new Set();
      known.set(text, all);
      // The first is the one that the program asked for.
      if (names[0] !== undefined) all.add(names[0]);
    }
  }
  return (kind, values) => {
    if (kind === 'port') return undefined;
    if (kind === 'name') return commonDomain(values);
    const found = owners && values.map((value) => ownerOf(owners, value));
    if (found?.[0] !== undefined && found.every((each) => each === found[0])) return found[0];
    return commonDomain(values.flatMap((value) => [...(known.get(fullText(value)) ?? [])]));
  };
}

function ownerOf(owners: NonNullable<WidenOptions['owners']>, value: string): string | undefined {
  const prefix = parsePrefix(value);
  return prefix && owners.find(prefix)?.owner;
}

/** An address as a prefix of one. */
function fullText(value: string): string {
  const prefix = parsePrefix(value);
  return prefix ? formatPrefix(prefix) : value;
}

/** `example.com` of `a.example.com` and `b.c.example.com`; undefined where they have no domain in common. */
function commonDomain(names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined;
  const labels = names.map((name) => name.replace(/^\*\./, '').split('.').toReversed());
  const [first] = labels;
  const end = first!.findIndex((label, at) => labels.some((each) => each[at] !== label));
  const common = end < 0 ? first! : first!.slice(0, end);
  return common.length < LABELS ? undefined : common.toReversed().join('.');
}
