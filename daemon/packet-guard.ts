import type { Egress } from '../bpf/egress.ts';
import { Counter } from '../bpf/wire.ts';
import { BouhekiError } from '../error/error.ts';
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
  prepare({ mode, target }: Policy): void {
    if (this.#attached || mode !== 'block' || target !== 'host') return;
    try {
      this.#egress.attachRouteGuard(this.#cgroup);
      this.#attached = true;
    } catch (error) {
      // The hooks hold without it.
      if (!(error instanceof BouhekiError)) throw error;
      this.#failure = error.detail ? `${error.message}: ${error.detail.trim()}` : error.message;
    }
  }

  /** What becomes of packets under the policy in force. */
  describe(policy: Policy, rules: PacketRules): string {
    const unguarded = this.#failure !== undefined && !this.#attached;
    const routes = unguarded
      ? `Warning: packets with a source route are not looked at, and the hooks are not shown all of them: ${this.#failure}. It takes cgroup v2 and CAP_NET_ADMIN.\n`
      : describeRoutes(policy, rules);
    return routes + (this.#backstop ? describeBackstop(policy, rules) : '');
  }

  /** Reports dropped packets, not too often. */
  show(): void {
    const counters = this.#egress.counters();
    this.#routes.show(counters[Counter.stoppedRoute]!);
    this.#addresses.show(counters[Counter.stoppedPacket]!);
  }

  /** Reports those that were not reported yet. */
  end(): void {
    this.#routes.end();
    this.#addresses.end();
  }
}
