import { spawnSync } from 'node:child_process';

/** Runs a program in a terminal of its own, so wide, and copies what it writes there; ends as it does. */
const IN_TERMINAL = `
import fcntl, os, pty, struct, sys, termios
columns = int(sys.argv[1])
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24, columns, 0, 0))
    os.execvp(sys.argv[2], sys.argv[2:])
while True:
    try:
        data = os.read(fd, 65536)
    except OSError:
        break
    if not data:
        break
    os.write(1, data)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

/** What a module writes to a terminal of so many columns, ends of lines as \n. `args` are its arguments. */
export function inTerminal(
  columns: number,
  args: readonly string[],
  env: Record<string, string> = {},
): { status: number | null; output: string } {
  const { NO_COLOR: _, ...rest } = process.env;
  const { status, stderr, stdout } = spawnSync(
    'python3',
    ['-c', IN_TERMINAL, String(columns), process.execPath, ...args],
    { encoding: 'utf8', env: { ...rest, TERM: 'xterm', ...env }, timeout: 60_000 },
  );
  return { status, output: stdout.replaceAll('\r\n', '\n') + stderr };
}

/** The same for JavaScript text. */
export function scriptInTerminal(columns: number, script: string, env: Record<string, string> = {}): string {
  return inTerminal(columns, ['--input-type=module', '-e', script], env).output;
}
