import type { ReadPolicy } from '../../daemon/control/switch-parts.ts';
import { policyHash } from '../../daemon/enforcement.ts';
import { forHost, hostTexts } from '../../policy/meaning/host.ts';
import { monitored } from '../../policy/meaning/mode.ts';
import type { Mode, Policy } from '../../policy/meaning/policy.ts';
import { readHostFile } from '../../fleet/self/host-file.ts';
import { describeUnknownHost } from './fleet-host.ts';
import { parseText, readTrustedPolicyText } from './policy-file.ts';

/** Reads policies that are to be enforced. */
export class PolicySource {
  readonly #mode: Mode | undefined;
  readonly #warn: (text: string) => void;
  readonly #fleetDirectory: string | undefined;

  /**
   * `mode` stands for the one that a file names. `monitor` does for everybody; with `block` the mode entries that say
   * `monitor` still hold. `fleetDirectory`: what this host is in its fleet, where that is not in the usual place.
   */
  constructor(mode: Mode | undefined, warn: (text: string) => void, fleetDirectory?: string) {
    this.#mode = mode;
    this.#warn = warn;
    this.#fleetDirectory = fleetDirectory;
  }

  /** The policy as a file has it now. Throws BouhekiError when it is not valid or not to be trusted. */
  read(file: string): ReadPolicy {
    const text = readTrustedPolicyText(file);
    const written = parseText(text, file, this.#warn);
    const host = readHostFile(this.#fleetDirectory);
    const unknown = describeUnknownHost(written, host && hostTexts(host));
    if (unknown !== '') this.#warn(unknown);
    const policy = forHost(written, host);
    return { policy: this.#inMode(policy), hash: policyHash(text), file };
  }

  #inMode(policy: Policy): Policy {
    if (this.#mode === undefined) return policy;
    return this.#mode === 'monitor' ? monitored(policy) : { ...policy, mode: this.#mode };
  }
}
