import { type ChildProcess, spawn } from 'node:child_process';
import { exposeToOom } from '../../host/oom-score.ts';
import { programFile } from '../../host/program-file.ts';

/** How long it may take to print the rest once the recorder has ended, milliseconds. */
const LAST_MOMENT = 3000;

/**
 * `bouheki watch` beside a recorder, on the same terminal, in a process of its own: a terminal that does not read, and
 * the memory that names take, are not the recorder's. It ends with the recorder.
 */
export class WatchBeside {
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;

  private constructor(db: string, args: readonly string[]) {
    // In a group of its own it gets no Ctrl-C: what is recorded last is still to be shown.
    this.#child = spawn(process.execPath, [programFile('bundle/main.js'), 'watch', '--db', db, ...args], {
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    exposeToOom(this.#child.pid);
    this.#child.unref();
    this.#exited = new Promise((resolve) => {
      this.#child.once('exit', () => resolve());
      // It cannot be started. The recorder goes on.
      this.#child.once('error', () => resolve());
    });
  }

  /** Shows what is recorded at `db`; `args` are options of `bouheki watch`. Undefined where that was not asked for. */
  static start(
    asked: boolean | undefined,
    db: string,
    args: readonly string[] = [],
  ): WatchBeside | undefined {
    return asked === true ? new WatchBeside(db, args) : undefined;
  }

  /** Waits until the rest is printed, once the recorder has ended; a moment at the most. */
  async end(): Promise<void> {
    const timer = setTimeout(() => this.#child.kill(), LAST_MOMENT);
    await this.#exited;
    clearTimeout(timer);
  }
}
