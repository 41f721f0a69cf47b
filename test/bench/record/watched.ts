import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const MAIN = join(import.meta.dirname, '../../../bundle/main.js');

/** Connections that a watcher has taken, and those that it says were left out. */
export interface Watched {
  taken: number;
  missed: number;
}

/**
 * Has `bouheki watch` follow a record. Resolves once it does, to what resolves once it has ended with its recorder. It
 * takes all, and shows denials alone, so that it is not what the machine is busy with.
 */
export async function startWatcher(path: string): Promise<() => Promise<Watched>> {
  const child = spawn(process.execPath, [MAIN, 'watch', '--denied', '--db', path], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exit = once(child, 'exit');
  const lines = createInterface({ input: child.stderr })[Symbol.asyncIterator]();
  for (;;) {
    const { done, value } = await lines.next();
    if (done === true) throw new Error('watch has ended at once');
    if (value.startsWith('Watching ')) break;
  }
  return async () => {
    const { value } = await lines.next();
    const [status] = (await exit) as [number | null];
    if (status !== 0) throw new Error(`watch ended with ${status}: ${value}`);
    const count = (what: RegExp): number => Number(what.exec(value)?.[1]!.replaceAll(',', '') ?? 0);
    return {
      taken: count(/^([\d,]+) connections? in/) + count(/, ([\d,]+) left out by filters/),
      missed: count(/, ([\d,]+) not shown/),
    };
  };
}
