import type { Box, Flow, Policy } from './policy.ts';

/** What of a box says when it ends. */
type Ending = Pick<Box, 'until'>;

/** Whether a box holds at a moment, in microseconds since the epoch. One that ends holds at none that is not known. */
export function holdsAt({ until }: Ending, at: Flow['at']): boolean {
  return until === undefined || (at !== undefined && at < until);
}

/** The moments at which rules of a policy end, each once and in order. */
export function endsOf({ boxes }: { boxes: readonly Ending[] }): number[] {
  const ends = new Set(boxes.flatMap(({ until }) => (until === undefined ? [] : [until])));
  return [...ends].sort((a, b) => a - b);
}

/** A rule that ends by itself. */
export interface RuleEnd {
  rule: string;
  /** Microseconds since the epoch. */
  until: number;
}

/** The rules of a policy that end by themselves, the first to end first. A rule is there once. */
export function ruleEnds({ boxes }: Pick<Policy, 'boxes'>): RuleEnd[] {
  const ends = new Map<string, RuleEnd>();
  for (const { name, until } of boxes)
    if (until !== undefined) ends.set(JSON.stringify([name, until]), { rule: name, until });
  return [...ends.values()].sort((a, b) => a.until - b.until);
}

/** The same as a member of a status; nothing where no rule ends. */
export function endNames(policy: Pick<Policy, 'boxes'>): { ends?: RuleEnd[] } {
  const ends = ruleEnds(policy);
  return ends.length === 0 ? {} : { ends };
}

/** A policy as it holds at a moment: without the rules that have ended, and the others without their end. */
export function policyAt(policy: Policy, moment: number): Policy {
  if (policy.boxes.every(({ until }) => until === undefined)) return policy;
  const boxes = policy.boxes.filter((box) => holdsAt(box, moment));
  return { ...policy, boxes: boxes.map(({ until: _until, ...box }) => box) };
}
