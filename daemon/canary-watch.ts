import { ftraceIsOff, provesItself } from '../bpf/canary.ts';
import type { Egress } from '../bpf/egress.ts';
import type { Backend } from '../bpf/probe.ts';
import { formatDuration } from '../format/duration.ts';

/** Milliseconds between two looks. */
const LOOK_EVERY = 10_000;

/** Why the kernel does not ask programs of a backend that are attached, and what to do about it. */
export function whyUnasked(backend: Backend): { reason: string; remedy: string } {
  if (ftraceIsOff()) {
    return {
      reason: 'kernel.ftrace_enabled is 0',
      remedy: 'run `sysctl kernel.ftrace_enabled=1`, and find out who switched it off',
    };
  }
  if (backend === 'lsm')
    return {
      reason: 'bpf is no active LSM',
      remedy: 'leave --backend out: the backend fmod_ret needs no boot parameter',
    };
  return UNKNOWN_REASON;
}

const UNKNOWN_REASON = { reason: 'the reason is not known', remedy: 'start bouheki again' };

/**
 * Looks again and again whether the kernel still asks the programs, and says so when it stops and when it is
 * back.
 */
export class CanaryWatch {
  readonly #egress: Egress;
  readonly #canary: boolean;
  readonly #say: (text: string) => void;
  #timer: NodeJS.Timeout | undefined;
  #unasked: string | undefined;
  /** When it was found out, by the clock of performance.now(). */
  #since = 0;
  #looking: Promise<void> = Promise.resolve();
  #closed = false;

  /** `canary`: whether the programs see what this process does, which those of another cgroup do not. */
  constructor(egress: Egress, canary: boolean, say: (text: string) => void) {
    this.#egress = egress;
    this.#canary = canary;
    this.#say = say;
    this.#wait();
  }

  /** Why the kernel does not ask the programs at present; undefined when it does. */
  get unasked(): string | undefined {
    return this.#unasked;
  }

  /** To come before the programs go: a look uses them to its end. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  #wait(): void {
    this.#timer = setTimeout(() => (this.#looking = this.#look()), LOOK_EVERY).unref();
  }

  async #look(): Promise<void> {
    const asked = this.#canary ? await provesItself(this.#egress) : true;
    if (this.#closed) return;
    // Without room for a socket nothing is known, and what was known holds.
    if (asked !== undefined) this.#found(asked);
    this.#wait();
  }

  #found(asked: boolean): void {
    const { detached } = this.#egress;
    const unasked = !asked
      ? unaskedNow()
      : detached.length > 0
        ? { reason: `${detached.join(', ')} detached from the cgroup`, remedy: 'start bouheki again' }
        : undefined;
    if (unasked?.reason === this.#unasked) return;
    const { reason, remedy } = unasked ?? {};
    if (reason === undefined) {
      const seconds = (performance.now() - this.#since) / 1000;
      this.#say(
        `The kernel asks the programs again; for at least ${formatDuration(seconds)} it did not, and nothing was judged or recorded.\n`,
      );
    } else {
      if (this.#unasked === undefined) this.#since = performance.now();
      this.#say(
        `WARNING: the kernel does not ask the programs of bouheki any more (${reason}): nothing is judged, blocked or recorded.\n  ${remedy}\n`,
      );
    }
    this.#unasked = reason;
  }
}

/** It did once, so what it needs at boot was there. */
function unaskedNow(): { reason: string; remedy: string } {
  return ftraceIsOff() ? whyUnasked('fmod_ret') : UNKNOWN_REASON;
}
