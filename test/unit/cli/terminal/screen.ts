import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import xterm from '@xterm/headless';

/** Runs a program in a terminal of its own: passes on what it writes, and to it what is typed. Ends as it does. */
const IN_TERMINAL = `
import fcntl, os, pty, select, struct, sys, termios
columns, lines = int(sys.argv[1]), int(sys.argv[2])
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', lines, columns, 0, 0))
    os.execvp(sys.argv[3], sys.argv[3:])
os.write(2, b'%d\\n' % pid)
inputs = [0, fd]
while True:
    ready = select.select(inputs, [], [])[0]
    if 0 in ready:
        typed = os.read(0, 4096)
        if not typed:
            break
        os.write(fd, typed)
    if fd in ready:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        os.write(1, data)
os.close(fd)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

/** A program at a terminal, which an emulator shows. */
export class TerminalScreen {
  readonly #emulator: xterm.Terminal;
  readonly #child: ChildProcess;
  readonly #exit: Promise<number | null>;
  /** All that was written. */
  output = '';
  /** Of the program. */
  pid = 0;
  #written: Promise<void> = Promise.resolve();

  private constructor(
    columns: number,
    lines: number,
    command: readonly string[],
    env: Record<string, string>,
  ) {
    this.#emulator = new xterm.Terminal({ cols: columns, rows: lines, allowProposedApi: true });
    const { NO_COLOR: _, ...rest } = process.env;
    const args = ['-c', IN_TERMINAL, String(columns), String(lines), ...command];
    this.#child = spawn('python3', args, { env: { ...rest, TERM: 'xterm', ...env } });
    this.#exit = once(this.#child, 'close').then(([status]) => status as number | null);
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
      this.#written = new Promise((resolve) => this.#emulator.write(text, resolve));
    });
  }

  static async start(
    columns: number,
    lines: number,
    command: readonly string[],
    env: Record<string, string> = {},
  ): Promise<TerminalScreen> {
    const screen = new TerminalScreen(columns, lines, command, env);
    const [pid] = (await once(screen.#child.stderr!, 'data')) as [Buffer];
    screen.pid = Number(String(pid));
    return screen;
  }

  /** What one sees. */
  get lines(): string[] {
    const { active } = this.#emulator.buffer;
    return Array.from({ length: this.#emulator.rows }, (_, row) =>
      active.getLine(active.viewportY + row)!.translateToString(true),
    );
  }

  /** Whether one sees the screen that programs take for themselves. */
  get isOther(): boolean {
    return this.#emulator.buffer.active.type === 'alternate';
  }

  type(keys: string): void {
    this.#child.stdin!.write(keys);
  }

  /** Waits until the screen shows what is asked for. */
  async until(shows: (lines: string[]) => boolean): Promise<string[]> {
    while (!shows(this.lines)) {
      if (this.#child.exitCode !== null) throw new Error(`it has ended: ${this.lines.join('\n')}`);
      await once(this.#child.stdout!, 'data');
      await this.#written;
    }
    return this.lines;
  }

  /** Waits for the end of the program. */
  async ended(): Promise<number | null> {
    const status = await this.#exit;
    await this.#written;
    return status;
  }

  /** Takes the terminal away, as a window that is closed. */
  close(): void {
    this.#child.stdin!.end();
  }
}
