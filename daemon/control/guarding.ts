import { Guard, type Refusals } from '../../bpf/guard/guard.ts';
import { GuardKey, requireAdmission } from '../../bpf/guard/key.ts';
import { findKept, type Kept } from '../../bpf/pin/kept.ts';
import type { Attachment } from '../../bpf/probe.ts';
import { requireAll } from '../../bpf/requirement.ts';
import { BouhekiError } from '../../error/error.ts';
import { visible } from '../../error/visible.ts';
import type { Policy } from '../../policy/meaning/policy.ts';
import type { ControlRequest } from './control-request.ts';
import { isKept, scopeOf } from './keeper.ts';

/** What is asked of who enforces that can undo what a policy denies. */
const WEAKENING: ReadonlySet<ControlRequest['ask']> = new Set(['apply', 'pause', 'rollback']);

/** Keeps others from undoing the policy that is enforced, where a key is given; without one, it keeps nobody. */
export class Guarding implements Disposable {
  readonly guard: Guard | undefined;
  readonly #key: GuardKey | undefined;
  #reported = 0;

  private constructor(guard: Guard | undefined, key: GuardKey | undefined) {
    this.guard = guard;
    this.#key = key;
  }

  /** Keeps nobody from anything. */
  static none(): Guarding {
    return new Guarding(undefined, undefined);
  }

  /**
   * Begins to guard what this process makes from now on, and has it admitted to what a process before it has left.
   * `keyFile`: absent for no guard. Throws BouhekiError where what was left has another key, and where there is nothing
   * that could be guarded.
   */
  static begin(keyFile: string | undefined, attachment: Attachment, policy: Policy): Guarding {
    const key = keyFile === undefined ? undefined : GuardKey.read(keyFile);
    const { backend } = attachment;
    if (key !== undefined) requireAll(backend);
    requireAdmission(toBeReplaced(scopeOf(attachment)), key);
    if (key === undefined) return Guarding.none();
    if (!isKept(policy)) {
      throw new BouhekiError('usage', '--guard-key is for a policy that blocks and says on_exit: keep', {
        remedy:
          'without them the end of this process is the end of what it denies; set them, or leave --guard-key out',
      });
    }
    if (backend === 'cgroup') {
      throw new BouhekiError('usage', '--guard-key is for the whole host, by the backends lsm and fmod_ret', {
        remedy: 'leave --guard-key out, or --cgroup and --backend',
      });
    }
    return new Guarding(Guard.load(backend, key), key);
  }

  /** Whether a file on the disk may take the place of what is in force by a signal alone. */
  get holds(): boolean {
    return this.guard !== undefined;
  }

  /** Throws BouhekiError `privilege` for a request that could undo the policy and comes without the key. */
  admit(request: ControlRequest): void {
    if (this.#key === undefined || !WEAKENING.has(request.ask)) return;
    const given = 'key' in request && request.key !== undefined ? GuardKey.parse(request.key) : undefined;
    if (given?.equals(this.#key)) return;
    const why = given === undefined ? 'its key was not given' : 'that is not its key';
    throw new BouhekiError('privilege', `the policy is guarded, and ${why}`, {
      remedy: 'give it: --guard-key FILE',
    });
  }

  /** About once a second. Reports who was refused since the last call. */
  tick(say: (text: string) => void): void {
    if (this.guard === undefined) return;
    const refusals = this.guard.refusals;
    if (refusals.count === this.#reported) return;
    say(describeRefusals(refusals, this.#reported));
    this.#reported = refusals.count;
  }

  [Symbol.dispose](): void {
    this.guard?.[Symbol.dispose]();
  }
}

/** Who was refused since there were so many. A process calls itself as it likes. */
export function describeRefusals({ command, count, pid }: Refusals, before: number): string {
  const times = count - before === 1 ? 'once' : `${count - before} times`;
  return `Warning: others tried to get at what is enforced and were refused, ${times}; the last was process ${pid} (${visible(command)}).\n`;
}

/** What a start in this scope removes. */
function toBeReplaced(scope: string): Kept[] {
  return (findKept() ?? []).filter(
    ({ about, alive, complete }) => !alive && (!complete || about?.scope === scope),
  );
}
