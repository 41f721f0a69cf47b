import { formatClock } from './clock.ts';
import { isTerminal } from './terminal.ts';

/** Seconds between two lines where standard error is no terminal. */
const LINE_EVERY = 60;

/** What a running recorder tells about itself. */
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
  readonly #started: number;
  readonly #lineAt = Date.now();
  readonly #terminal = isTerminal(process.stderr);
  #lines = 0;

  /** `started`: when what takes `seconds` began, milliseconds since the epoch. */
  constructor(label: string, seconds: number | undefined, started: number) {
    this.#started = started;
    this.#label = label;
    this.#seconds = seconds;
  }

  show(state: ProgressState): void {
    const elapsed = Math.floor((Date.now() - this.#started) / 1000);
    if (!this.#terminal && Date.now() - this.#lineAt < (this.#lines + 1) * LINE_EVERY * 1000) return;
    this.#lines += 1;
    const clock =
      this.#seconds === undefined
        ? formatClock(elapsed)
        : `${formatClock(elapsed)} / ${formatClock(this.#seconds)}`;
    const counts = `connections ${count(state.connections)}  processes ${count(state.processes)}  lost ${count(state.lost)}${state.readiness === undefined ? '' : `  ${state.readiness}`}`;
    const line = `${this.#label} ${clock}  ${counts}`;
    process.stderr.write(this.#terminal ? `\r\u001b[K${line}` : `${line}\n`);
  }

  /** Clears the line, so that what follows stands alone. */
  end(): void {
    if (this.#terminal && this.#lines > 0) process.stderr.write('\r\u001b[K');
  }
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
