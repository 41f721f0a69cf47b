import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const PROGRAM = join(import.meta.dirname, 'flood');

/** How a user varies what is denied: see flood.c. */
export const FLOODS = ['plain', 'ports', 'names', 'threads', 'forks', 'namespace'] as const;

export interface FloodOf {
  times: number;
  how: (typeof FLOODS)[number];
  uid: number;
  address: string;
  /** The directory of the cgroup to move to. */
  cgroup?: string;
}

/** Runs a flood of denials to its end. Returns how many there were. */
export async function flood({ times, how, uid, address, cgroup = '-' }: FloodOf): Promise<number> {
  const child = spawn(PROGRAM, [times, how, uid, cgroup, address].map(String), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  const said = await text(child.stdout);
  const [status] = await ended;
  if (status !== 0) throw new Error(`the flood ended with ${String(status)}`);
  return Number(said);
}
