import { spawn } from 'node:child_process';
import { formatDuration } from '../../../format/duration.ts';
import { Undelivered, type Delivery, type Patience } from './delivery.ts';

/**
 * Hands each notice to a program on its standard input. It is started with its arguments as they are, by no shell, in a
 * process group of its own, which is ended with it when its time is over. What it prints goes to standard error.
 */
export function programDelivery(program: string, args: readonly string[]): Delivery {
  return {
    name: `The program ${program}`,
    deliver: (notice, patience) => run(program, args, notice, patience),
  };
}

async function run(
  program: string,
  args: readonly string[],
  notice: string,
  { seconds, signal }: Patience,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 2, 2], detached: true });
    let reason: string | undefined;
    const end = (why: string): void => {
      reason = why;
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    };
    const stop = (): void => end('it was stopped');
    const timer = setTimeout(() => end(`it took longer than ${formatDuration(seconds)}`), seconds * 1000);
    signal.addEventListener('abort', stop, { once: true });
    const settle = (failure: string | undefined): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      if (failure === undefined) resolve();
      else reject(new Undelivered(failure));
    };
    child.on('error', (error) => settle(error.message));
    child.on('exit', (status, by) => {
      if (reason === undefined && status === 0) settle(undefined);
      else settle(reason ?? (by === null ? `it ended with ${status}` : `it was ended by ${by}`));
    });
    // It need not read them: whether it took them its exit status says.
    child.stdin!.on('error', () => undefined);
    child.stdin!.end(notice);
    if (signal.aborted) stop();
  });
}
