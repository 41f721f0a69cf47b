import { provesItself } from '../bpf/canary.ts';
import { Egress } from '../bpf/egress.ts';
import { type Attachment, type ChosenAttachment, mayLeaveOut, UNSEEN_BY_CGROUP } from '../bpf/probe.ts';
import { type KernelNeeds, requireAll } from '../bpf/requirement.ts';
import { BouhekiError } from '../error/error.ts';
import { protectFromOom } from '../host/oom-score.ts';
import { primeIdentities } from '../profiler/identity/prime.ts';
import type { Watch } from '../profiler/serve/live-status.ts';
import { whyUnasked } from './canary-watch.ts';
import { awaitStopSignal, type AwaitedStopSignal } from './stop-signal.ts';

/** The BPF programs, attached and proven to be called, and the signal that ends them in order. */
export class KernelSide implements Disposable {
  readonly egress: Egress;
  readonly attachment: Attachment;
  /** Why it is attached in this way. */
  readonly reason: string;
  readonly stopSignal: AwaitedStopSignal;

  private constructor(egress: Egress, chosen: ChosenAttachment, stopSignal: AwaitedStopSignal) {
    this.egress = egress;
    this.attachment = chosen.attachment;
    this.reason = chosen.reason;
    this.stopSignal = stopSignal;
  }

  /**
   * Checks everything before it changes anything. Throws a BouhekiError for the first thing that stands in
   * the way. `awaitEnd` begins to wait for what is to end it: the signals that end a process, by default.
   */
  static async load(
    chosen: ChosenAttachment,
    needs: KernelNeeds,
    awaitEnd: () => AwaitedStopSignal = awaitStopSignal,
  ): Promise<KernelSide> {
    const { attachment } = chosen;
    requireAll(attachment.backend);
    protectFromOom();
    // From here on a signal lets things be taken away in order.
    const stopSignal = awaitEnd();
    let egress: Egress | undefined;
    try {
      const { blocks = true } = needs;
      const twice = blocks && mayLeaveOut(attachment.backend);
      egress = Egress.load(attachment, undefined, { ...needs, blocks: twice ? 'twice' : blocks });
      if (attachment.backend !== 'cgroup') await requireProof(egress, attachment.backend);
      primeIdentities(egress);
      return new KernelSide(egress, chosen, stopSignal);
    } catch (error) {
      stopSignal.forget();
      egress?.[Symbol.dispose]();
      throw error;
    }
  }

  /** The cgroup that alone is watched; undefined when the whole host is. */
  get cgroup(): string | undefined {
    return this.attachment.backend === 'cgroup' ? this.attachment.cgroup : undefined;
  }

  /** Takes the programs away, and listens for no signal any more. */
  [Symbol.dispose](): void {
    this.stopSignal.forget();
    this.egress[Symbol.dispose]();
  }

  /**
   * What a status says of it. `unasked`: why the kernel does not call the programs; `unlisted`: cgroups
   * without room.
   */
  describe(unasked: string | undefined, unlisted: number): Watch {
    const { judgesAgain, stoppedPackets } = this.egress;
    return {
      ...this.attachment,
      ...(unasked !== undefined && { unasked }),
      ...(this.cgroup !== undefined && { unseen: UNSEEN_BY_CGROUP }),
      ...(stoppedPackets !== undefined && { stoppedPackets }),
      ...(judgesAgain !== undefined && { secondJudge: judgesAgain }),
      ...(unlisted > 0 && { unlistedCgroups: unlisted }),
    };
  }
}

async function requireProof(egress: Egress, backend: 'lsm' | 'fmod_ret'): Promise<void> {
  if (await provesItself(egress)) return;
  const { reason, remedy } = whyUnasked(backend);
  throw new BouhekiError('kernel', `the programs are attached, but the kernel does not ask them: ${reason}`, {
    remedy,
  });
}
