import type { Prefix } from '../value/cidr.ts';
import { nameMatcher } from '../value/host-name.ts';
import { PUBLIC } from '../value/public-address.ts';
import type { KnownName, NameOptions, Policy, To } from './policy.ts';

/** What a policy says of names where it says nothing. */
export const NAME_DEFAULTS: NameOptions = { resolvers: ['auto'], keep: 3600, hosts: false };

/** The longest `keep` in seconds, but for one without end: so long the daemon remembers names at all. */
export const LONGEST_KEEP = 7 * 86_400;

/** The values of `keep` that are proposed, in seconds: 1h, 6h, 1d, 7d. */
const KEEPS: readonly number[] = [3600, 21_600, 86_400, LONGEST_KEEP];

/** The least `keep` to propose for which a name of this age counts. */
export function neededKeep(age: number): number {
  return KEEPS.find((keep) => age <= keep) ?? Infinity;
}

/** Whether some rule goes by names of destinations: then verdicts depend on those that addresses are known by. */
export function namesHosts({ boxes }: Pick<Policy, 'boxes'>): boolean {
  return boxes.some(({ to }) => to.names !== undefined);
}

/** The addresses that `to` reaches; undefined: any. By name alone it is only those that anybody may have. */
export function reachOf({ names, prefixes }: To): readonly Prefix[] | undefined {
  return prefixes ?? (names && PUBLIC);
}

/** Seconds after the end of its TTL for which a name counts. */
export function keepOf({ keep }: To): number {
  return keep ?? NAME_DEFAULTS.keep;
}

/** Whether an address that is known by some names is known by one of `to`. What has no name that is known never is. */
export function matchesNames(to: To, known: readonly KnownName[] | undefined): boolean {
  const { names } = to;
  if (!names) return true;
  const keep = keepOf(to);
  return known?.some(({ age, name }) => age <= keep && matcherOf(names)(name)) === true;
}

/** A list is asked for each flow, and may have thousands of names. */
const matchers = new WeakMap<readonly string[], (name: string) => boolean>();

function matcherOf(names: readonly string[]): (name: string) => boolean {
  let matcher = matchers.get(names);
  if (matcher === undefined) matchers.set(names, (matcher = nameMatcher(names)));
  return matcher;
}

/** Seconds after the end of its TTL that an address is recorded to be known by a name which is not the only one. */
const FRESH = 3600;

/**
 * The names that a recorded connection's address was known by, the best first. The record has the age of that one alone,
 * in seconds since the end of its TTL: of others it is the most that it may be.
 */
export function recordedNames(names: readonly string[], age: number): KnownName[] {
  return names.map((name, place) => ({ name, age: place === 0 ? age : Math.max(age, FRESH) }));
}
