import { matchesFrom, matchesTo } from '../../policy/meaning/evaluate.ts';
import type { Box, Flow, Policy, Verdict } from '../../policy/meaning/policy.ts';
import type { Decision } from './entry.ts';

/** What a flow says beside who it is of. */
const NO_DESTINATION = {
  address: undefined,
  intent: undefined,
  names: undefined,
  port: undefined,
  protocol: undefined,
  socket: undefined,
};

/** Finds the rules that flows are near to: what is the same for all flows of a subject is computed once. */
export class NearRules {
  readonly #policy: Pick<Policy, 'boxes'>;
  readonly #allows: readonly Box[];
  readonly #bySubject = new Map<string, readonly Box[]>();

  constructor(policy: Pick<Policy, 'boxes'>) {
    this.#policy = policy;
    this.#allows = policy.boxes.filter(({ action }) => action === 'allow');
  }

  /** The allow boxes that name the subject of a (normal) flow. A box for every subject is near to none in particular. */
  ofSubject(flow: Flow): readonly Box[] {
    const key = JSON.stringify({ ...flow, ...NO_DESTINATION });
    const known = this.#bySubject.get(key);
    if (known !== undefined) return known;
    const found = this.#allows.filter((box) => Object.keys(box.from).length > 0 && matchesFrom(box, flow));
    this.#bySubject.set(key, found);
    return found;
  }

  /** The box that decided over a (normal) flow; else an allow box of the same subject; else one with the same destination. */
  decidingRule(flow: Flow, { action, box: decided }: Verdict): Decision['rule'] {
    if (decided !== undefined) {
      const { name } = this.#policy.boxes[decided]!;
      return { name, relation: action === 'allow' ? 'allowed by' : 'denied by' };
    }
    if (action === 'allow') return undefined;
    const [sameSubject] = this.ofSubject(flow);
    if (sameSubject !== undefined) {
      return { name: sameSubject.name, relation: flow.socket ? 'other socket' : 'other destination' };
    }
    const sameDestination = this.#allows.find((box) => matchesTo(box.to, flow));
    return sameDestination && { name: sameDestination.name, relation: 'other subject' };
  }
}
