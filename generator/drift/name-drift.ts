import { mostOf } from '../subject/order.ts';
import { matchesFrom, matchesTo } from '../../policy/meaning/evaluate.ts';
import { keepOf, matchesNames, neededKeep, reachOf } from '../../policy/meaning/known-name.ts';
import type { Box, Flow, Policy, To } from '../../policy/meaning/policy.ts';
import { formatKeep } from '../../policy/value/keep.ts';

/**
 * Why a connection that no rule allows is none of the names that its subject is allowed. `new name`: another name than
 * those that rules for it have. `unbelieved name`: it goes by names, and nobody whose answers count has said that the
 * address has one. `unknown name`: it goes by names, and here the address had none: it was written down, or
 * looked up where it is not seen. `expired`: the name was too old. `private`: an allowed name has an address that is not
 * public, or in none of the rule's blocks. `moved`: rules allow other addresses of the same name by `cidr`.
 */
export type NameDrift =
  | 'new name'
  | 'unknown name'
  | 'unbelieved name'
  | 'moved'
  | 'private'
  | `expired, keep would have to be ${string}`;

/** Finds the kind of connections that a policy does not allow, by what it allows of the same record. */
export class NameDriftFinder {
  readonly #policy: Policy;
  readonly #boxes: readonly Box[];
  /** Those that say of a subject that it goes by names: rules for everybody do only where no rule has a subject. */
  readonly #own: ReadonlySet<Box>;
  /** Whether any rule goes by names: most policies have none, and need no search. */
  readonly #byName: boolean;
  /** The names of addresses that each box allows without naming them. */
  readonly #names = new Map<Box, Set<string>>();

  constructor(policy: Policy) {
    this.#policy = policy;
    this.#boxes = policy.boxes.filter(({ action, to }) => action === 'allow' && !to.sockets);
    this.#byName = this.#boxes.some(({ to }) => to.names !== undefined);
    const own = this.#boxes.filter(({ from }) => Object.keys(from).length > 0);
    this.#own = new Set(own.length > 0 ? own : this.#boxes);
  }

  /** Takes note of a flow that a box (its index) allows, and of the names that its address was known by. */
  allowed(index: number | undefined, names: readonly string[]): void {
    const box = index === undefined ? undefined : this.#policy.boxes[index];
    if (names.length === 0 || !box?.to.prefixes || box.to.names) return;
    const known = this.#names.get(box) ?? new Set();
    this.#names.set(box, known);
    for (const name of names) known.add(name);
  }

  /** The kind of a (normal) flow that no box allows or denies; undefined where names have no part in it. */
  kindOf(flow: Flow, names: readonly string[]): NameDrift | undefined {
    if (flow.socket !== undefined || (!this.#byName && this.#names.size === 0)) return undefined;
    const matching = this.#boxes.filter((box) => matchesFrom(box, flow));
    const onPort = matching.filter(({ to }) => matchesTo(portOf(to), flow));
    const called = onPort.filter(({ to }) => to.names && matchesNames({ ...to, keep: Infinity }, flow.names));
    const reached = called.filter(({ to }) => matchesTo({ prefixes: [...reachOf(to)!] }, flow));
    if (reached.length > 0) {
      const oldest = Math.min(...flow.names!.map(({ age }) => age));
      return `expired, keep would have to be ${formatKeep(longerKeep(oldest, reached))}`;
    }
    if (called.length > 0) return 'private';
    if (onPort.some((box) => names.some((name) => this.#names.get(box)?.has(name)))) return 'moved';
    if (!matching.some((box) => box.to.names && this.#own.has(box))) return undefined;
    if (names.length === 0) return 'unknown name';
    return flow.names === undefined ? 'unbelieved name' : 'new name';
  }
}

/** A `keep` that is long enough for a name of this age, and longer than those that were not. */
function longerKeep(age: number, boxes: readonly Box[]): number {
  const shortest = -mostOf(boxes, ({ to }) => -keepOf(to));
  return neededKeep(Math.max(age, shortest + 1));
}

/** A destination with its ports and protocols alone. */
function portOf({ ports, protocols }: To): To {
  return { ...(ports && { ports }), ...(protocols && { protocols }) };
}
