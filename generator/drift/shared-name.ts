import type { Flow, Verdict } from '../../policy/meaning/policy.ts';
import type { Observation, Subject } from '../../profiler/read/observation.ts';

/**
 * Finds connections that are allowed by a name which others asked for: it has the address of the name that the program
 * asked for itself, as on a CDN. Where the program asked for nothing itself, as with a cache of the host, none is told.
 */
export class SharedNames {
  readonly #judge: (flow: Flow) => Verdict;
  /** The names that each subject asked for itself, as far as the record says. */
  readonly #asked = new Map<string, Set<string>>();

  constructor(observations: readonly Observation[], judge: (flow: Flow) => Verdict) {
    this.#judge = judge;
    for (const { known, names, subject } of observations) {
      const [best] = names ?? [];
      if (known?.by !== 'self' || best === undefined) continue;
      const key = keyOf(subject);
      const asked = this.#asked.get(key) ?? new Set();
      this.#asked.set(key, asked.add(best));
    }
  }

  /** Whether the policy allows a flow of an observation only by names that its subject did not ask for. */
  allow({ known, names, subject }: Observation, flow: Flow): boolean {
    if (known?.by !== 'self' || names === undefined || names.length < 2 || !flow.names) return false;
    const { names: _all, ...nameless } = flow;
    if (this.#judge(nameless).action === 'allow') return false;
    const asked = this.#asked.get(keyOf(subject));
    const own = flow.names.filter(({ name }) => asked?.has(name));
    return this.#judge({ ...flow, names: own }).action === 'deny';
  }
}

function keyOf({ command, container, exe, script, uid, unit }: Subject): string {
  return JSON.stringify([exe ?? command, script, uid, container, unit]);
}
