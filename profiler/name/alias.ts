/** Targets at one time, and names that lead to one: the ones told of last. */
const TARGETS = 4096;
const NAMES = 32;
/** Seconds for which a name leads to another one at the least: who follows a CNAME asks at once, and answers take time. */
const LEAST = 30;

/**
 * Names that an answer has led to others without saying their addresses: a cache that follows a CNAME by a query of its own
 * gets these under the other name. By network namespace.
 */
export class Aliases {
  readonly #targets = new Map<string, Map<string, number>>();

  /** These names lead to a target from now on, for so many seconds. */
  add(namespace: number, target: string, names: readonly string[], time: number, ttl: number): void {
    const key = `${namespace}/${target}`;
    const known = this.#targets.get(key) ?? new Map<string, number>();
    this.#targets.delete(key);
    if (this.#targets.size === TARGETS) this.#targets.delete(this.#targets.keys().next().value!);
    this.#targets.set(key, known);
    for (const name of names) {
      known.delete(name);
      if (known.size === NAMES) known.delete(known.keys().next().value!);
      known.set(name, time + Math.max(ttl, LEAST));
    }
  }

  /** The names that lead to this one. */
  of(namespace: number, target: string, time: number): string[] {
    const known = this.#targets.get(`${namespace}/${target}`) ?? [];
    return [...known].filter(([, until]) => until >= time).map(([name]) => name);
  }

  /** Network namespaces ended. */
  forget(namespaces: ReadonlySet<number>): void {
    for (const key of this.#targets.keys())
      if (namespaces.has(Number(key.slice(0, key.indexOf('/'))))) this.#targets.delete(key);
  }
}
