import type { Policy } from '../../policy/meaning/policy.ts';

/**
 * How many policies are kept: the rings are read between two reloads, and a policy may take tens of
 * megabytes.
 */
const MOST = 8;

/** A policy that was in force, and the hash of its text. */
export interface JudgingPolicy {
  policy: Policy;
  hash: string;
}

/** The policies that were in force last: events may be older than the last reload. */
export class GenerationMemory {
  readonly #policies = new Map<number, JudgingPolicy>();

  /** `policy` is in force from this generation on. */
  add(generation: bigint, policy: JudgingPolicy): void {
    this.#policies.set(Number(generation & 0xffff_ffffn), policy);
    const [oldest] = this.#policies.keys();
    if (this.#policies.size > MOST) this.#policies.delete(oldest!);
  }

  /** The policy of a generation, by its low 32 bits. */
  find(generation: number): JudgingPolicy | undefined {
    return this.#policies.get(generation);
  }
}
