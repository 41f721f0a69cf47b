import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

import { type Line, readLine } from './outcome.ts';
import { isLong, type Part } from './part.ts';

const NODE_TEST = ['--enable-source-maps', '--test', '--test-reporter=./dist/test/runner/reporter.js'];

/** By how much tests that take long may take longer. */
const LONGER = 4;

/** How a run ended. */
export interface Ending {
  /** The exit status or the signal. */
  readonly status: string;
  /** Whether the reporter got to its last line. */
  readonly complete: boolean;
}

/**
 * Runs the files of one part with `node --test`, inside a VM where it has a kernel, and passes each line that the
 * reporter wrote to `onLine` at once, and all other output to `onText`.
 */
export async function execute(
  root: string,
  { files, kernel, level, long, withoutBpf }: Part,
  onLine: (line: Line) => void,
  onText: (text: string) => void,
): Promise<Ending> {
  const longer = long || files.some(isLong) ? LONGER : 1;
  const limit = level.limitSeconds * longer;
  const node = [
    ...NODE_TEST,
    `--test-timeout=${level.fileLimitSeconds * longer * 1000}`,
    ...(level.inVm ? ['--test-concurrency=1'] : []),
    ...files,
  ];
  const machine = [
    '--kernel',
    kernel ?? '',
    '--timeout',
    String(limit),
    ...(level.systemd ? ['--systemd'] : []),
    ...(withoutBpf ? ['--lsm', 'landlock,lockdown,yama,apparmor'] : []),
  ];
  const [command, args] = kernel
    ? ['test/vm/run', [...machine, '--', ...(long ? ['env', 'BOUHEKI_LONG=1'] : []), 'node', ...node]]
    : [process.execPath, node];
  // In a process group of its own, so that the end of the time, or ours, ends the test files' processes too.
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  const end = (): void => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
  };
  // The VM's own limit is the same, and its message says more.
  const timer = setTimeout(end, (limit + 10) * 1000);
  const closed = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(signal ?? String(code)));
  });
  const interrupted = (signal: NodeJS.Signals): void => {
    end();
    void closed.then(() => process.exit(signal === 'SIGINT' ? 130 : 143));
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);

  let complete = false;
  for await (const text of createInterface({ input: child.stdout })) {
    const line = readLine(text);
    if (!line) onText(text);
    else if (line.kind === 'end') complete = true;
    else onLine(line);
  }
  const status = await closed;
  clearTimeout(timer);
  process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
  return { status, complete };
}
