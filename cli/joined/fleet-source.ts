import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { ReadPolicy } from '../../daemon/control/switch-parts.ts';
import { policyHash } from '../../daemon/enforcement.ts';
import { renderFailure } from '../../error/failure.ts';
import { ownAddresses } from '../../fleet/agent/evidence/own-address.ts';
import { HeldPolicies, isHeld, readHeld } from '../../fleet/agent/policy/held.ts';
import { localPolicy, modeAt } from '../../fleet/agent/policy/local-policy.ts';
import { readHostFile } from '../../fleet/self/host-file.ts';
import { requireClosed } from '../../fleet/self/identity-file.ts';
import { parseText } from '../option/policy-file.ts';
import { PolicySource } from '../option/policy-source.ts';

/** Until a policy of the fleet is there, and where that one cannot be read: all is recorded, and nothing is blocked. */
const NONE = `version: 2
network:
  mode: monitor
  target: host
  allow:
    - {}
`;
const NONE_FILE = 'no-policy-yet';

/** Reads the policies of a fleet as they hold on this host, and others as files say them. */
export class FleetSource {
  readonly #directory: string;
  readonly #warn: (text: string) => void;
  readonly #files: PolicySource;

  /** Throws BouhekiError `untrusted` where others can write into the directory of the fleet. */
  constructor(directory: string, warn: (text: string) => void) {
    requireClosed(directory);
    this.#directory = directory;
    this.#warn = warn;
    this.#files = new PolicySource(undefined, warn, directory);
  }

  /**
   * What is to be in force before any hub was reached: what was confirmed last. Never throws for a policy. Where that
   * one is broken nothing is blocked: what else is stored here was never confirmed, and could cut this host off from
   * the hub, which has a whole one.
   */
  first(): ReadPolicy {
    try {
      const good = new HeldPolicies(this.#directory).requireGood();
      if (good !== undefined) return this.read(good.file);
    } catch (error) {
      this.#warn(renderFailure(error));
      this.#warn(
        'The last policy of the fleet cannot be used: nothing is blocked until another one comes.\n',
      );
    }
    return this.#none();
  }

  /** As PolicySource.read. */
  read(file: string): ReadPolicy {
    if (file === this.#noneFile) return this.#none();
    if (!isHeld(this.#directory, file)) return this.#files.read(file);
    const held = readHeld(file);
    const text = held.body.toString('utf8');
    const policy = localPolicy(parseText(text, file, this.#warn), {
      host: readHostFile(this.#directory),
      own: ownAddresses(networkInterfaces()),
      mode: modeAt(held, Date.now()),
    });
    return { policy, hash: policyHash(text), file };
  }

  #none(): ReadPolicy {
    const file = this.#noneFile;
    return { policy: parseText(NONE, file, this.#warn), hash: policyHash(NONE), file };
  }

  get #noneFile(): string {
    return join(this.#directory, NONE_FILE);
  }
}
