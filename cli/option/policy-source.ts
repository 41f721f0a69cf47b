import type { ReadPolicy } from '../../daemon/control/switch-parts.ts';
import { policyHash } from '../../daemon/enforcement.ts';
import type { Mode } from '../../policy/meaning/policy.ts';
import { parseText, readTrustedPolicyText } from './policy-file.ts';

/** Reads policies that are to be enforced. */
export class PolicySource {
  readonly #mode: Mode | undefined;
  readonly #warn: (text: string) => void;

  /** `mode` stands for the one that a file names. */
  constructor(mode: Mode | undefined, warn: (text: string) => void) {
    this.#mode = mode;
    this.#warn = warn;
  }

  /** The policy as a file has it now. Throws BouhekiError when it is not valid or not to be trusted. */
  read(file: string): ReadPolicy {
    const text = readTrustedPolicyText(file);
    const policy = parseText(text, file, this.#warn);
    return { policy: this.#mode ? { ...policy, mode: this.#mode } : policy, hash: policyHash(text), file };
  }
}
