import type { JudgingPolicy } from '../../daemon/denial/generation-memory.ts';
import { policyHash } from '../../daemon/enforcement.ts';
import type { Mode } from '../../policy/meaning/policy.ts';
import { parseText, readTrustedPolicyText } from './policy-file.ts';

/** The file of the policy that is to be enforced. */
export class PolicySource {
  readonly file: string;
  readonly #mode: Mode | undefined;
  readonly #warn: (text: string) => void;

  /** `mode` stands for the one that the file names. */
  constructor(file: string, mode: Mode | undefined, warn: (text: string) => void) {
    this.file = file;
    this.#mode = mode;
    this.#warn = warn;
  }

  /** The policy as the file has it now. Throws BouhekiError when it is not valid or not to be trusted. */
  read(): JudgingPolicy {
    const text = readTrustedPolicyText(this.file);
    const policy = parseText(text, this.file, this.#warn);
    return { policy: this.#mode ? { ...policy, mode: this.#mode } : policy, hash: policyHash(text) };
  }
}
