import { cutToWidth } from '../../format/display-width.ts';
import { formatElapsed } from '../../format/duration.ts';
import type { Messages } from '../../daemon/messages.ts';
import { formatNumber } from '../../format/number.ts';
import { columnsOf } from '../../output/terminal.ts';

/** Seconds between two lines where standard error is no terminal. */
const LINE_EVERY = 60;

/** What a running recorder reports about itself. */
export interface ProgressState {
  connections: number;
  /** UDP connects, which send nothing. */
  intents: number;
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
  readonly #columns: () => number;
  #lines = 0;

  /** `passed`: seconds since what takes `seconds` began. */
  constructor(messages: Messages, label: string, seconds: number | undefined, passed: () => number) {
    this.#messages = messages;
    this.#columns = messages.terminal ? columnsOfErrors() : () => Number.POSITIVE_INFINITY;
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
    const counts = [
      `connections ${formatNumber(state.connections)}`,
      `processes ${formatNumber(state.processes)}`,
      `lost ${formatNumber(state.lost)}`,
      ...(state.readiness === undefined ? [] : [state.readiness]),
      ...(state.intents === 0 ? [] : [`intents ${formatNumber(state.intents)}`]),
    ];
    const line = [`${this.#label} ${clock}`, ...counts].join('  ');
    // A line that can't be shown at once is not worth to be shown late. One as wide as the terminal would scroll it.
    this.#messages.show(terminal ? `\r\u001b[K${cutToWidth(line, this.#columns() - 1)}` : `${line}\n`);
  }

  /** Clears the line, so that what follows stands alone. */
  end(): void {
    if (this.#messages.terminal && this.#lines > 0) this.#messages.show('\r\u001b[K');
  }
}

/** How wide the terminal of standard error is at each time. Nothing is written through this stream. */
function columnsOfErrors(): () => number {
  const { stderr } = process;
  // A terminal that has gone cannot be asked.
  stderr.on('error', () => {});
  return () => columnsOf(stderr);
}
