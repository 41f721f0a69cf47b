import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';

/** A process that takes commands as lines, and answers each by a line; its first one says that it is ready. */
export class LineProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  readonly #program: string;

  private constructor(program: string, words: readonly string[]) {
    this.#program = program;
    this.#child = spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#reader = createInterface({ input: this.#child.stdout! });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  static async start(command: readonly string[]): Promise<LineProcess> {
    const [program, ...words] = command;
    const started = new LineProcess(program!, words);
    await started.line();
    return started;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Tells it one line or more, each with its end. */
  tell(lines: string): void {
    this.#child.stdin!.write(lines);
  }

  /** The next line that it answers. */
  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.#program} has ended`);
    return value as string;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin!.end();
    this.#reader.close();
    await ended;
  }
}
