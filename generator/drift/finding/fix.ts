import { explainFlow } from '../../../policy/analysis/explain.ts';
import { normalizeFlow } from '../../../policy/meaning/evaluate.ts';
import type { Box, Policy } from '../../../policy/meaning/policy.ts';
import type { Case } from '../drift.ts';
import { NearRules } from '../near-rule.ts';

/** Boxes that are looked at for the destinations of subjects without a rule: a few seconds. */
const MOST_LOOKS = 400_000;

const NOTHING = 'nothing to add: this policy allows it';

/**
 * What would settle cases, in a line each, as `explain` says it. Only boxes that may be nearest are looked at: those of the
 * subject, where there are any. Where there are none, and a report is too long to compare each case with each box, it is a
 * rule of its own, which settles it too.
 */
export class Fixes {
  readonly #policy: Policy;
  readonly #near: NearRules;
  /** Boxes with sets: how many rules name one is part of a fix. */
  readonly #sharing: ReadonlySet<Box>;
  readonly #joined = new Map<readonly Box[], readonly Box[]>();
  readonly #mostLooks: number;
  #looks = 0;

  constructor(policy: Policy, mostLooks = MOST_LOOKS) {
    this.#policy = policy;
    this.#near = new NearRules(policy);
    this.#sharing = new Set(policy.boxes.filter(({ sets }) => sets !== undefined));
    this.#mostLooks = mostLooks;
  }

  fixOf({ entry, flow, part }: Case): string {
    if (part === 'shared') return 'allow the name that the program asks for, or leave it';
    if (entry.rule?.relation === 'allowed by') return NOTHING;
    const boxes = [...this.#boxesFor(entry, flow)];
    return explainFlow({ ...this.#policy, boxes }, flow).fix ?? NOTHING;
  }

  /** The boxes among which the one is that decides, or is nearest, in the order of the policy. */
  #boxesFor({ rule }: Case['entry'], flow: Case['flow']): readonly Box[] {
    const { boxes } = this.#policy;
    if (rule?.relation === 'denied by')
      return boxes.filter(({ action, name }) => action === 'deny' && name === rule.name);
    const own = this.#near.ofSubject(normalizeFlow(flow));
    // A rule for sockets is near to no connection.
    if (own.some(({ to }) => flow.socket !== undefined || to.sockets === undefined))
      return this.#withShared(own);
    this.#looks += boxes.length;
    return this.#looks > this.#mostLooks ? [] : boxes;
  }

  #withShared(own: readonly Box[]): readonly Box[] {
    if (this.#sharing.size === 0) return own;
    const known = this.#joined.get(own);
    if (known !== undefined) return known;
    const named = new Set(own);
    const joined = this.#policy.boxes.filter((box) => named.has(box) || this.#sharing.has(box));
    this.#joined.set(own, joined);
    return joined;
  }
}
