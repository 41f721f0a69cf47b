import { matchesBox, matchesFrom, matchesTo } from '../../policy/meaning/evaluate.ts';
import type { Box, Flow, Policy, Verdict } from '../../policy/meaning/policy.ts';
import type { Decision } from './entry.ts';

/** What a flow says beside who it is of. */
const NO_DESTINATION = {
  address: undefined,
  at: undefined,
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
  /** Those of them that end by themselves, as if they did not. */
  readonly #ending: readonly Box[];
  readonly #bySubject = new Map<string, readonly Box[]>();

  constructor(policy: Pick<Policy, 'boxes'>) {
    this.#policy = policy;
    this.#allows = policy.boxes.filter(({ action }) => action === 'allow');
    this.#ending = this.#allows
      .filter(({ until }) => until !== undefined)
      .map(({ until: _until, ...box }) => box);
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

  /** The box that decided over a (normal) flow; else an allow box that has ended; else an allow box of the same subject; else one with the same destination. */
  decidingRule(flow: Flow, { action, box: decided }: Verdict): Decision['rule'] {
    if (decided !== undefined) {
      const { name } = this.#policy.boxes[decided]!;
      return { name, relation: action === 'allow' ? 'allowed by' : 'denied by' };
    }
    if (action === 'allow') return undefined;
    const ended = this.#ending.find((box) => matchesBox(box, flow));
    if (ended !== undefined) return { name: ended.name, relation: 'ended' };
    const [sameSubject] = this.ofSubject(flow);
    if (sameSubject !== undefined) {
      return { name: sameSubject.name, relation: flow.socket ? 'other socket' : 'other destination' };
    }
    const sameDestination = this.#allows.find((box) => matchesTo(box.to, flow));
    return sameDestination && { name: sameDestination.name, relation: 'other subject' };
  }
}
