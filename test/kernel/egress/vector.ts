import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../../../..');
const network = join(root, 'test/kernel/egress/network');
const program = join(import.meta.dirname, 'egress');

/** Beginnings of names, to run some vectors alone; without them all are run. */
export const ONLY: readonly string[] = process.env['BOUHEKI_VECTORS']?.split(' ') ?? [];

/** Where packets of a vector went: what the sniffer read off them. */
export interface Destination {
  to: string;
  protocol: number;
  /** 0 where the protocol has none. */
  port: number;
}

/** How a vector ended. */
export interface Result {
  name: string;
  pid: number;
  /** The kernel does not have what the vector is about. */
  absent: boolean;
  /** The system call that failed, or the last one. */
  step: string;
  /** The name of its error, or nothing. */
  error: string;
  wire: Destination[];
}

/**
 * Runs all vectors as `uid` in fresh networks. `enforce` is called when each has prepared what it needs from before,
 * `release` when all have ended.
 */
export async function runVectors(uid: number, enforce: () => void, release: () => void): Promise<Result[]> {
  execFileSync(network, ['start'], { stdio: 'inherit' });
  try {
    const child = spawn(program, [String(uid), ...ONLY], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [results, [status]] = await Promise.all([
      resultsOf(child, enforce),
      once(child, 'close').finally(release),
    ]);
    if (status !== 0) throw new Error(`the vectors ended with ${status}`);
    return results;
  } finally {
    execFileSync(network, ['stop'], { stdio: 'inherit' });
  }
}

async function resultsOf(child: ChildProcess, enforce: () => void): Promise<Result[]> {
  const results: Result[] = [];
  for await (const line of createInterface({ input: child.stdout! })) {
    const said = JSON.parse(line) as Result | { ready: number };
    if ('ready' in said) {
      enforce();
      child.stdin!.end('go\n');
    } else results.push(said);
  }
  return results;
}
