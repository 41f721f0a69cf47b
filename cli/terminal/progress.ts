import { formatElapsed } from '../../format/duration.ts';
import type { Messages } from '../../daemon/messages.ts';
import { formatNumber } from '../../format/number.ts';

/** Seconds between two lines where standard error is no terminal. */
const LINE_EVERY = 60;

/** What a running recorder reports about itself. */
export interface ProgressState {
  connections: number;
  processes: number;
  lost: number;
  /** How far the record has come, for a recording that waits for it. */
  readiness?: string;
}

/** One status line on standard error: rewritten in a terminal, a line a minute elsewhere. */
export class Progress {
  readonly #label: string;
  readonly #seconds: number | undefined;
  readonly #passed: () => number;
  readonly #lineAt = performance.now();
  readonly #messages: Messages;
  #lines = 0;

  /** `passed`: seconds since what takes `seconds` began. */
  constructor(messages: Messages, label: string, seconds: number | undefined, passed: () => number) {
    this.#messages = messages;
    this.#passed = passed;
    this.#label = label;
    this.#seconds = seconds;
  }

  show(state: ProgressState): void {
    const elapsed = Math.floor(this.#passed());
    const { terminal } = this.#messages;
    if (!terminal && performance.now() - this.#lineAt < (this.#lines + 1) * LINE_EVERY * 1000) return;
    this.#lines += 1;
    const clock =
      this.#seconds === undefined
        ? formatElapsed(elapsed)
        : `${formatElapsed(elapsed)} / ${formatElapsed(this.#seconds)}`;
    const counts = `connections ${formatNumber(state.connections)}  processes ${formatNumber(state.processes)}  lost ${formatNumber(state.lost)}${state.readiness === undefined ? '' : `  ${state.readiness}`}`;
    const line = `${this.#label} ${clock}  ${counts}`;
    // A line that can't be shown at once is not worth to be shown late.
    this.#messages.show(terminal ? `\r\u001b[K${line}` : `${line}\n`);
  }

  /** Clears the line, so that what follows stands alone. */
  end(): void {
    if (this.#messages.terminal && this.#lines > 0) this.#messages.show('\r\u001b[K');
  }
}
