import { provesItself } from '../bpf/canary.ts';
import { Egress, UNSEEN_BY_CGROUP, type Attachment } from '../bpf/egress.ts';
import { requireAll } from '../bpf/requirement.ts';
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
  readonly stopSignal: AwaitedStopSignal;

  private constructor(egress: Egress, attachment: Attachment, stopSignal: AwaitedStopSignal) {
    this.egress = egress;
    this.attachment = attachment;
    this.stopSignal = stopSignal;
  }

  /**
   * Checks everything before it changes anything. Throws a BouhekiError for the first thing that stands in
   * the way. `hungUp` is called when the terminal has gone, for a command that SIGHUP ends otherwise: it goes
   * on.
   */
  static async load(attachment: Attachment, hungUp?: () => void): Promise<KernelSide> {
    requireAll(attachment.backend);
    protectFromOom();
    // From here on a signal lets things be taken away in order.
    const stopSignal = awaitStopSignal(hungUp);
    let egress: Egress | undefined;
    try {
      egress = Egress.load(attachment);
      if (attachment.backend === 'lsm') await requireProof(egress);
      primeIdentities(egress);
      return new KernelSide(egress, attachment, stopSignal);
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
    const { stoppedPackets } = this.egress;
    return {
      ...this.attachment,
      ...(unasked !== undefined && { unasked }),
      ...(this.cgroup !== undefined && { unseen: UNSEEN_BY_CGROUP }),
      ...(stoppedPackets !== undefined && { stoppedPackets }),
      ...(unlisted > 0 && { unlistedCgroups: unlisted }),
    };
  }
}

async function requireProof(egress: Egress): Promise<void> {
  if (await provesItself(egress)) return;
  const { reason, remedy } = whyUnasked();
  throw new BouhekiError('kernel', `the programs are attached, but the kernel does not ask them: ${reason}`, {
    remedy,
  });
}
