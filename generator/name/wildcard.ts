import type { RecordedObservation } from '../../profiler/read/read.ts';
import { groupsOf } from '../subject/order.ts';

/** Names of a domain from which on a wildcard may stand for them. */
const FEWEST = 3;

/** What the Public Suffix List says of names. */
export interface Suffixes {
  /**
   * The part of a name that somebody has registered, with all below it: of `a.b.example.co.uk` it is `example.co.uk`.
   * Where anybody can register below a name, as below `github.io`, that is not one. Undefined for such a suffix itself.
   */
  registrable(name: string): string | undefined;
  /** Whether anybody can have a name below one, at any depth: `github.io`, and `amazonaws.com` for `s3.amazonaws.com`. */
  isPublicBelow(name: string): boolean;
}

/** What is below a name. */
function wildcardOf(domain: string): string {
  return `*.${domain}`;
}

function isBelow(name: string, domain: string): boolean {
  return name.endsWith(`.${domain}`);
}

/**
 * The events of a service by what a rule is to name: by wildcard for those of a domain to which new names keep coming,
 * and by name for the others. `isEarly`: whether events are of the part of the window that a policy is learnt from.
 */
export function widenNames(
  named: ReadonlyMap<string, RecordedObservation[]>,
  suffixes: Suffixes,
  isEarly: (events: readonly RecordedObservation[]) => boolean,
): Map<string, RecordedObservation[]> {
  const domains = groupsOf(named.keys(), (name) => suffixes.registrable(name) ?? '');
  domains.delete('');
  const widened = new Map(named);
  for (const names of domains.values()) {
    const [early, late] = partition(names, (name) => isEarly(named.get(name)!));
    const domain = commonDomain(early);
    const below = names.filter((name) => isBelow(name, domain));
    const told = below.length - late.length;
    if (late.length === 0 || told < FEWEST || !late.every((name) => isBelow(name, domain))) continue;
    if (suffixes.isPublicBelow(domain)) continue;
    widened.set(
      wildcardOf(domain),
      below.flatMap((name) => named.get(name)!),
    );
    for (const name of below) widened.delete(name);
  }
  return widened;
}

function partition(names: readonly string[], isFirst: (name: string) => boolean): [string[], string[]] {
  const parts: [string[], string[]] = [[], []];
  for (const name of names) parts[isFirst(name) ? 0 : 1].push(name);
  return parts;
}

/** The longest domain that all names are below, or that one of them is. */
function commonDomain(names: readonly string[]): string {
  const [first = [], ...others] = names.map((name) => name.split('.').reverse());
  const end = first.findIndex((label, at) => others.some((labels) => labels[at] !== label));
  const common = first.slice(0, end < 0 ? first.length : end);
  return common.reverse().join('.');
}
