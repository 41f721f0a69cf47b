import { writeSync } from 'node:fs';
import { openStandard } from '../../output/descriptor.ts';
import { surviveLostTerminal } from '../../output/lost-terminal.ts';
import { Outlet } from '../../output/outlet.ts';
import { columnsOf } from '../../output/terminal.ts';

/** The other screen of the terminal, without a cursor; and back. */
const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
/** Of a terminal that does not say how high it is. */
const USUAL_LINES = 24;
const SUSPEND = '\u001a';

/** What happens at a full screen. */
export interface ScreenListeners {
  /** A key, as the terminal sends it. */
  key(text: string): void;
  resized(): void;
  /** The terminal has gone. */
  gone(): void;
}

/**
 * The whole terminal, for as long as it is entered. However the process ends, the terminal is left as it was: by a signal
 * that is handled, an error that nobody catches, or `leave`.
 */
export class FullScreen {
  readonly #listeners: ScreenListeners;
  readonly #outlet: Outlet;
  #entered = false;
  readonly #leave = (): void => this.leave();
  readonly #key = (text: string): void => (text === SUSPEND ? this.#suspend() : this.#listeners.key(text));
  readonly #resized = (): void => this.#listeners.resized();

  constructor(listeners: ScreenListeners) {
    this.#listeners = listeners;
    surviveLostTerminal();
    // They are asked for sizes and keys; what is written there must never be waited for.
    for (const stream of [process.stdin, process.stdout, process.stderr])
      stream.on('error', () => listeners.gone());
    this.#outlet = new Outlet(openStandard(1), 1, { missing: () => '', failed: () => listeners.gone() });
  }

  get width(): number {
    return columnsOf(process.stdout);
  }

  get height(): number {
    return process.stdout.rows || USUAL_LINES;
  }

  enter(): void {
    this.#entered = true;
    process.once('exit', this.#leave);
    // Before the error is printed: on the other screen nobody would see it.
    process.once('uncaughtExceptionMonitor', this.#leave);
    process.stdout.on('resize', this.#resized);
    const { stdin } = process;
    if (stdin.isTTY) {
      stdin.setRawMode(true).setEncoding('utf8').on('data', this.#key).resume();
      stdin.once('end', () => this.#listeners.gone());
    }
    write(ENTER);
  }

  leave(): void {
    if (!this.#entered) return;
    this.#entered = false;
    process.off('exit', this.#leave);
    process.off('uncaughtExceptionMonitor', this.#leave);
    process.stdout.off('resize', this.#resized);
    const { stdin } = process;
    if (stdin.isTTY) {
      stdin.off('data', this.#key).pause();
      try {
        stdin.setRawMode(false);
      } catch {
        // It has gone.
      }
    }
    write(LEAVE);
  }

  /** Shows lines in place of those before. Where the terminal does not take them at once, the next ones will do. */
  draw(lines: readonly string[]): void {
    if (!this.#entered) return;
    this.#outlet.show(`\u001b[H${lines.map((line) => `${line}\u001b[K`).join('\r\n')}\u001b[J`);
  }

  /** Ctrl-Z, which a terminal that passes on every key leaves to the program. */
  #suspend(): void {
    this.leave();
    process.once('SIGCONT', () => {
      this.enter();
      this.#listeners.resized();
    });
    process.kill(process.pid, 'SIGSTOP');
  }
}

/** A few bytes, which a terminal takes at once, unless it has gone or is held. */
function write(text: string): void {
  try {
    writeSync(1, text);
  } catch {
    // Nothing is left to be put back.
  }
}
