import type { Prefix } from '../../policy/value/cidr.ts';
import { elbowOf } from '../prefixes/elbow.ts';
import type { CurvePoint } from '../prefixes/hull.ts';
import type { Rule } from './rule.ts';
import { grantOf, sharedCover, sumGrants } from './widen.ts';

/** What a policy would allow over how many CIDRs it has. */
export interface Curve {
  /** From few CIDRs to many. Each is the best there is for its number; `cost` is unobserved addresses. */
  points: CurvePoint[];
  /** Observed addresses, over all entries: an address on other ports counts again. */
  observed: number;
  /** Where more CIDRs begin to buy little. */
  suggested: CurvePoint;
}

/** The whole curve for the rules of a record. IPv6 counts by /64. */
export function curveOf(rules: readonly Rule[], denied: readonly Prefix[]): Curve {
  const lists = rules.flatMap(({ entries }) => entries.map(({ observed }) => observed));
  const { curve } = sharedCover(lists, denied);
  const { observed } = sumGrants(lists.map((list) => grantOf([], list)));
  return { points: curve.toReversed(), observed, suggested: elbowOf(curve, observed) };
}
