import { EventTap } from '../../daemon/shadow/event-tap.ts';
import { type Candidate, Shadow } from '../../daemon/shadow/shadow.ts';
import { BouhekiError } from '../../error/error.ts';
import { renderFailure } from '../../error/failure.ts';
import { followLinks } from '../../policy/meaning/linked-path.ts';
import type { EventSink } from '../../profiler/event/sink.ts';
import type { ShadowStatus } from '../../profiler/serve/live-status.ts';
import { accountsFor } from '../option/account-table.ts';
import { realPaths } from '../option/linked-path.ts';
import { PolicySource } from '../option/policy-source.ts';
import type { EnforceOptions } from '../option/recorder-option.ts';

/** The candidate of a run of `enforce`, which is counted beside the policy in force. */
export class ShadowRun {
  readonly #say: (text: string) => void;
  readonly #first: Candidate;
  readonly #fleetDirectory: string | undefined;
  #shadow: Shadow | undefined;

  private constructor(candidate: Candidate, say: (text: string) => void, fleetDirectory?: string) {
    this.#first = candidate;
    this.#say = say;
    this.#fleetDirectory = fleetDirectory;
  }

  /** Reads the candidate, if there is one, with the demands on a policy that is enforced. Throws BouhekiError. */
  static async of(
    { fleetDir, shadow: file }: Pick<EnforceOptions, 'fleetDir' | 'shadow'>,
    say: (text: string) => void,
  ): Promise<ShadowRun | undefined> {
    if (file === undefined) return undefined;
    return new ShadowRun(await candidateOf(file, say, fleetDir), say, fleetDir);
  }

  /** What is recorded passes through here from now on. */
  tap(sink: EventSink): EventSink {
    this.#say(`Counted beside the policy in force: ${this.#first.hash} of ${this.#first.file}.\n`);
    return new EventTap(
      sink,
      (tap) => (this.#shadow = new Shadow(tap, this.#first, this.#say)),
      (error) => {
        this.#say(renderFailure(error));
        this.stop();
      },
    );
  }

  /** As a member of a status; nothing where it is not counted. */
  get status(): { shadow?: ShadowStatus } {
    return this.#shadow === undefined ? {} : { shadow: this.#shadow.status };
  }

  /** Counts no more: nothing is recorded any more, or the candidate cannot be judged by. */
  stop(): void {
    if (this.#shadow === undefined) return;
    this.#shadow = undefined;
    this.#say('Warning: the shadow policy is not counted any more.\n');
  }

  /** Reads the file of the candidate again. Never fails: the one before is counted on then. */
  async reload(): Promise<void> {
    try {
      this.#shadow?.replace(await candidateOf(this.#shadow.candidate.file, this.#say, this.#fleetDirectory));
    } catch (error) {
      this.#say(renderFailure(error));
      this.#say('The shadow policy that was counted stays.\n');
    }
  }

  /** Counts the policy of a file from now on. Returns what there is to say. Throws BouhekiError where it cannot be. */
  async apply(file: string): Promise<string> {
    const candidate = await candidateOf(file, this.#say, this.#fleetDirectory);
    if (this.#shadow === undefined)
      throw new BouhekiError('usage', 'nothing is counted any more', { remedy: 'start bouheki again' });
    this.#shadow.replace(candidate);
    const text = `Counted beside the policy in force: ${candidate.hash} of ${file}.\n`;
    this.#say(text);
    return text;
  }
}

async function candidateOf(
  file: string,
  warn: (text: string) => void,
  fleetDirectory: string | undefined,
): Promise<Candidate> {
  const { hash, policy: written } = new PolicySource(undefined, warn, fleetDirectory).read(file);
  const { policy } = followLinks(written, realPaths);
  return { policy, hash, file, accounts: await accountsFor(policy) };
}
