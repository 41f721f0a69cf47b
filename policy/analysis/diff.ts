import { type Change, Wording } from './change.ts';
import type { Mode, OnExit, Policy } from '../meaning/policy.ts';
import { intersectRegion, joinRegions, type Region, regionKey, subtractRegions } from './region.ts';
import { Universe, type Regions } from './universe.ts';

/**
 * What a second policy allows and a first does not, and the other way round. Empty when they mean the same.
 */
export interface Difference {
  gained: Change[];
  lost: Change[];
  /** Present when the mode changes; what is allowed in block mode is compared whatever the modes are. */
  mode?: { before: Mode; after: Mode };
  /**
   * Instead of `mode` where either has mode entries, present when subjects change: those that the second only monitors
   * and the first blocks, and the other way round.
   */
  modes?: { monitor: Change['from'][]; block: Change['from'][] };
  /** Present when it changes what becomes of the policy when bouheki ends. */
  onExit?: { before: OnExit; after: OnExit };
}

/**
 * Compares two policies by meaning, exactly: every connection that one allows and the other denies is in the
 * result, and no other. How rules are named, ordered or split does not matter, nor does the log. Throws
 * `TooIntricate` where the rules overlap too much to say.
 */
export function diffPolicies(before: Policy, after: Policy): Difference {
  const universe = new Universe([before, after]);
  const old = universe.regionsOf(before);
  const young = universe.regionsOf(after);
  const wording = new Wording(universe);
  const difference: Difference = {
    gained: onlyIn(young, old).flatMap((region) => wording.changesOf(region)),
    lost: onlyIn(old, young).flatMap((region) => wording.changesOf(region)),
  };
  if (before.modes ?? after.modes) {
    const modes = compareModes(universe, wording, before, after);
    if (modes.monitor.length + modes.block.length > 0) difference.modes = modes;
  } else if (before.mode !== after.mode) difference.mode = { before: before.mode, after: after.mode };
  const [left = 'release', later = 'release'] = [before.onExit, after.onExit];
  if (left !== later) difference.onExit = { before: left, after: later };
  return difference;
}

/**
 * Whether the second policy lets something through that the first stops, in effect: monitor mode stops
 * nothing, and what is released nothing when bouheki has ended.
 */
export function widens({ gained, mode, modes, onExit }: Difference): boolean {
  const monitors = mode?.after === 'monitor' || (modes?.monitor.length ?? 0) > 0;
  return gained.length > 0 || monitors || onExit?.after === 'release';
}

function compareModes(
  universe: Universe,
  wording: Wording,
  before: Policy,
  after: Policy,
): NonNullable<Difference['modes']> {
  const [old, young] = [universe.monitoredBy(before), universe.monitoredBy(after)];
  const subjects = (regions: readonly Region[], others: readonly Region[]): Change['from'][] =>
    joinRegions(subtractRegions(without(regions, others), others)).map((region) => wording.subjectOf(region));
  return { monitor: subjects(young, old), block: subjects(old, young) };
}

/** What `left` allows and `right` does not: no allow of `right` has it, or a deny of `right` does. */
function onlyIn(left: Regions, right: Regions): Region[] {
  const unallowed = subtractRegions(without(left.allow, right.allow), right.allow);
  const denied: Region[] = [];
  for (const deny of without(right.deny, left.deny)) {
    for (const allow of left.allow) {
      const both = intersectRegion(allow, deny);
      if (both) denied.push(both);
    }
  }
  return joinRegions(subtractRegions([...unallowed, ...denied], left.deny));
}

/** Most regions of two versions of a policy are the same, and need no algebra. */
function without(regions: readonly Region[], others: readonly Region[]): Region[] {
  const keys = new Set(others.map(regionKey));
  return regions.filter((region) => !keys.has(regionKey(region)));
}
