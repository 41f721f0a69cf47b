import { formatPrefix, type Prefix } from '../../policy/value/cidr.ts';
import { countV4, mergePrefixes } from '../../policy/value/prefix-set.ts';
import { overlaps, type OwnedBlock, type OwnerTable } from './owner.ts';
import { SharedCover } from '../prefixes/cover.ts';
import { WIDEST } from '../prefixes/floor.ts';
import type { Rule } from './rule.ts';

/** Allowed and observed units: addresses of IPv4, /64 networks of IPv6. */
export interface Grant {
  allowed: number;
  observed: number;
}

/** How observed addresses become lists of prefixes. */
export interface WidenOptions {
  /** Addresses that no prefix may hold, merged. */
  denied: readonly Prefix[];
  /** CIDRs in all allow rules together. Default: as many as it takes. */
  maxCidrs?: number;
  /** Instead of `maxCidrs`: how wide each rule is, tried on the tenths of the window before this one. */
  byHoldOut?: number;
  /** Allow the whole published block around an observed address. */
  owners?: OwnerTable;
  /** Use as many as needed where `maxCidrs` is too few. */
  atLeastFeasible?: boolean;
}

/**
 * For each rule the prefixes of each of its entries, none where that goes by names. Throws BouhekiError `usage` with the least feasible
 * number when more prefixes are needed than `maxCidrs`.
 */
export function widen(rules: readonly Rule[], options: WidenOptions): Prefix[][][] {
  const lists = widenLists(
    rules.flatMap(({ entries }) => entries.flatMap(({ names, observed }) => (names ? [] : [observed]))),
    options,
  );
  let next = 0;
  return rules.map(({ entries }) => entries.map(({ names }) => (names ? [] : lists[next++]!)));
}

/** As `widen`, for plain lists. */
export function widenLists(observed: readonly Prefix[][], options: WidenOptions): Prefix[][] {
  const { denied, maxCidrs, owners } = options;
  const lists = owners === undefined ? [...observed] : observed.map((list) => byOwner(list, owners, denied));
  if (maxCidrs === undefined || lists.length === 0) return lists;
  const cover = sharedCover(lists, denied);
  return cover.within(options.atLeastFeasible ? Math.max(maxCidrs, cover.least) : maxCidrs);
}

/** The budget that all lists share. */
export function sharedCover(lists: readonly Prefix[][], denied: readonly Prefix[]): SharedCover {
  return new SharedCover(lists, { denied, widest: WIDEST, zones: true });
}

/**
 * The published blocks around the prefixes; those without one, or with a denied address in it, stay as they
 * are.
 */
function byOwner(prefixes: readonly Prefix[], owners: OwnerTable, denied: readonly Prefix[]): Prefix[] {
  return mergePrefixes(prefixes.map((prefix) => blockFor(prefix, { denied, owners })?.prefix ?? prefix));
}

/** The published block that is allowed for an observed prefix; undefined where there is none. */
function blockFor(prefix: Prefix, { denied, owners }: WidenOptions): OwnedBlock | undefined {
  const block = owners?.find(prefix);
  return block && denied.some((each) => overlaps(each, block.prefix)) ? undefined : block;
}

/** What became of the published blocks, for the header of a policy; nothing without owners. */
export function ownerNotes(observed: readonly Prefix[], widening: WidenOptions): string[] {
  const { owners } = widening;
  if (owners === undefined) return [];
  const found = observed.flatMap((prefix) => blockFor(prefix, widening) ?? []);
  const matched = new Set(found.map(({ prefix }) => formatPrefix(prefix))).size;
  const counted = `Owners: ${owners.size} ${owners.size === 1 ? 'block' : 'blocks'} read, ${matched} matched`;
  return [
    matched === 0
      ? `${counted}: no address is generalised.`
      : `${counted}: addresses are generalised to the published blocks of their owners.`,
  ];
}

/** What several entries allow together: an address that two of them allow, such as on other ports, counts twice. */
export function sumGrants(grants: readonly Grant[]): Grant {
  const sum = (of: (grant: Grant) => number): number => grants.reduce((total, each) => total + of(each), 0);
  return { allowed: sum(({ allowed }) => allowed), observed: sum(({ observed }) => observed) };
}

/** What a list of prefixes allows, beside what was observed. */
export function grantOf(allowed: readonly Prefix[], observed: readonly Prefix[]): Grant {
  const seen = unitsIn(observed);
  return { allowed: allowed === observed ? seen : unitsIn(allowed), observed: seen };
}

/**
 * IPv6 addresses count by their /64: no attacker scans 2^64 hosts, and a ratio of such numbers says nothing.
 */
function unitsIn(prefixes: readonly Prefix[]): number {
  let units = countV4(prefixes);
  const networks: Prefix[] = [];
  for (const prefix of prefixes) {
    if (prefix.family === 4) continue;
    networks.push({ ...prefix, value: (prefix.value >> 64n) << 64n, length: Math.min(prefix.length, 64) });
  }
  for (const { length } of mergePrefixes(networks)) units += 2 ** (64 - length);
  return units;
}
