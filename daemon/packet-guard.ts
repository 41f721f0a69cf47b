import type { Egress } from '../bpf/egress.ts';
import { Counter } from '../bpf/wire.ts';
import { BouhekiError } from '../error/error.ts';
import { blocksSome } from '../policy/meaning/mode.ts';
import type { Policy } from '../policy/meaning/policy.ts';
import { describeBackstop, describeRoutes, DropNotes, type PacketRules } from './backstop-notes.ts';

/** What looks at packets as they leave while a policy is enforced, and what is said of it. */
export class PacketGuard {
  readonly #egress: Egress;
  readonly #cgroup: string;
  readonly #backstop: boolean;
  readonly #say: (text: string) => void;
  #attached = false;
  /** Why packets with a source route are not looked at. */
  #failure: string | undefined;
  /** Why there is no second judge where one is needed. */
  #alone: string | undefined;
  readonly #unjudged = new DropNotes((packets) =>
    this.#say(`The second judge dropped ${packets} that the first had not judged.\n`),
  );
  readonly #routes = new DropNotes((packets) => this.#say(`Dropped ${packets} with a source route.\n`));
  readonly #addresses = new DropNotes((packets) =>
    this.#say(`The backstop dropped ${packets} to addresses that the policy denies.\n`),
  );

  /** `cgroup` is the directory of the one whose packets are meant, normally the root of the hierarchy. */
  constructor(egress: Egress, cgroup: string, backstop: boolean, say: (text: string) => void) {
    this.#say = say;
    this.#egress = egress;
    this.#cgroup = cgroup;
    this.#backstop = backstop;
    if (backstop) egress.attachBackstop(cgroup);
  }

  /** Before a policy comes into force: has packets looked at, if it is one that blocks. */
  prepare(policy: Policy): void {
    if (!blocksSome(policy)) return;
    if (this.#egress.hasSecondJudge && this.#egress.judgesAgain === undefined)
      this.#alone = failureOf(() => this.#egress.attachSecondJudge(this.#cgroup));
    if (this.#attached || policy.target !== 'host') return;
    this.#failure = failureOf(() => this.#egress.attachRouteGuard(this.#cgroup));
    this.#attached = this.#failure === undefined;
  }

  /** What becomes of packets under the policy in force. */
  describe(policy: Policy, rules: PacketRules): string {
    const routes =
      this.#failure !== undefined
        ? `Warning: packets with a source route are not looked at, and the hooks are not shown all of them: ${this.#failure}. It takes cgroup v2 and CAP_NET_ADMIN.\n`
        : describeRoutes(policy, rules);
    return (
      routes + this.#describeSecondJudge(policy) + (this.#backstop ? describeBackstop(policy, rules) : '')
    );
  }

  #describeSecondJudge(policy: Policy): string {
    if (!blocksSome(policy) || !this.#egress.hasSecondJudge) return '';
    return this.#alone === undefined
      ? `${LEAVES_OUT}: a second judge on the root cgroup judges what they did not.\n`
      : `Warning: ${LEAVES_OUT}, and there is no second judge: ${this.#alone}. It takes cgroup v2 and CAP_NET_ADMIN.\n`;
  }

  /** Reports dropped packets, not too often. */
  show(): void {
    const counters = this.#egress.counters();
    this.#routes.show(counters[Counter.stoppedRoute]!);
    this.#addresses.show(counters[Counter.stoppedPacket]!);
    this.#unjudged.show(counters[Counter.stoppedUnjudged]!);
  }

  /** Reports those that were not reported yet. */
  end(): void {
    this.#routes.end();
    this.#addresses.end();
    this.#unjudged.end();
  }
}

const LEAVES_OUT = 'This kernel can leave out programs of a task that another one preempts';

/** Why something failed; undefined where it did not. The hooks hold without it. */
function failureOf(attach: () => void): string | undefined {
  try {
    attach();
    return undefined;
  } catch (error) {
    if (!(error instanceof BouhekiError)) throw error;
    return error.detail ? `${error.message}: ${error.detail.trim()}` : error.message;
  }
}
