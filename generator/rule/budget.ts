import { prefixOf, type Prefix } from '../../policy/value/cidr.ts';
import { mergePrefixes } from '../../policy/value/prefix-set.ts';
import { hasPorts } from '../../policy/value/protocol.ts';
import type { RecordedObservation } from '../../profiler/read/read.ts';
import { AddressSet } from '../destination/address-set.ts';
import { eventsFrom, isSeenBefore } from '../subject/ahead.ts';
import type { SharedCover } from '../prefixes/cover.ts';
import type { Entry, Rule } from './rule.ts';
import { grantOf, sharedCover, sumGrants, widen, type WidenOptions } from './widen.ts';
import { destinationAddress } from '../destination/destination.ts';

const EXACT = 1;
/** Tried for each rule: how many times as many addresses it may allow as were seen. Most of what it allows was. */
const RATIOS = [1.1, 1.25, 1.5, 1.75, 2] as const;
/** A ratio must deny at most this share of what exact addresses deny, */
const BETTER = 0.9;
/** and this share of the events less. */
const WORTH = 0.002;

/** As `widen`, or with `byHoldOut` as wide for each rule as served it best in the tenths of the window before that one. */
export function widenRules(rules: readonly Rule[], options: WidenOptions): Prefix[][][] {
  const { byHoldOut, denied } = options;
  if (byHoldOut === undefined) return widen(rules, options);
  return rules.map((rule) => chooseLists(rule, denied, byHoldOut));
}

/**
 * The prefixes of each entry of a rule, as wide as served the rule best: for each tenth of the window before `end`, what
 * the ones before it made would have denied of what was new in it. Exact addresses where no ratio is clearly better.
 */
function chooseLists(rule: Rule, denied: readonly Prefix[], end: number): Prefix[][] {
  const exact = rule.entries.map(({ names, observed }) => (names ? [] : observed));
  const ratio = ratioFor(rule, denied, end);
  return ratio === undefined ? exact : within(sharedCover(exact, denied), exact, ratio);
}

/** How many times as many addresses as seen served best; undefined where exact addresses are as good. */
function ratioFor(
  { entries, observations }: Rule,
  denied: readonly Prefix[],
  end: number,
): number | undefined {
  const parts = entries.map((entry) => {
    const addresses = new AddressSet(entry.observed);
    return observations.filter((each) => isIn(entry, addresses, each));
  });
  const missed = [EXACT, ...RATIOS].map(() => 0);
  let events = 0;
  for (let tenth = 1; tenth < end; tenth++) {
    events += parts.flat().reduce((sum, each) => sum + eventsFrom(each, tenth, tenth + 1), 0);
    const late = parts.map((part) => part.filter((each) => isFirstIn(each, tenth)));
    if (late.every(({ length }) => length === 0)) continue;
    const early = parts.map((part) =>
      mergePrefixes(
        part.filter((each) => isSeenBefore(each, tenth)).map((each) => prefixOf(destinationAddress(each))),
      ),
    );
    if (early.every(({ length }) => length === 0)) continue;
    const cover = sharedCover(early, denied);
    for (const [at, ratio] of [EXACT, ...RATIOS].entries()) {
      missed[at]! += missedBy(ratio === EXACT ? early : within(cover, early, ratio), late, tenth);
    }
  }
  const exact = missed[0]!;
  const least = Math.min(...missed);
  if (exact - least < WORTH * events || least > BETTER * exact) return undefined;
  return [EXACT, ...RATIOS][missed.indexOf(least)];
}

/** Events of a tenth of the window at addresses that are not among those allowed. */
function missedBy(
  lists: readonly Prefix[][],
  late: readonly (readonly RecordedObservation[])[],
  tenth: number,
): number {
  return late.reduce((sum, part, at) => {
    const allowed = new AddressSet(lists[at]!);
    const out = part.filter((each) => !allowed.has(destinationAddress(each)));
    return out.reduce((total, each) => total + eventsFrom(each, tenth, tenth + 1), sum);
  }, 0);
}

function isFirstIn(observation: RecordedObservation, tenth: number): boolean {
  return !isSeenBefore(observation, tenth) && eventsFrom(observation, tenth, tenth + 1) > 0;
}

/** The fewest prefixes that allow at most so many times the addresses that were seen. */
function within(cover: SharedCover, seen: readonly Prefix[][], ratio: number): Prefix[][] {
  const most = (ratio - 1) * unitsOf(seen);
  return cover.within(cover.curve.findLast(({ cost }) => cost <= most)?.count ?? cover.lossless);
}

function isIn(
  { names, ports, protocols }: Entry,
  addresses: AddressSet,
  observation: RecordedObservation,
): boolean {
  const { name, port, protocol, socket } = observation;
  if (names || name !== undefined || socket !== undefined || !protocols.includes(protocol)) return false;
  if (hasPorts(protocol) && !ports?.some(({ first, last }) => first <= port && port <= last)) return false;
  return addresses.has(destinationAddress(observation));
}

/** Observed addresses, IPv6 by the /64. */
function unitsOf(lists: readonly Prefix[][]): number {
  return sumGrants(lists.map((list) => grantOf([], list))).observed;
}
