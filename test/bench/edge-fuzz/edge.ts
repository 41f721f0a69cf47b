import type { Socket } from 'node:net';
import type { Asker } from './oracle.ts';

/** What every generator of bad input is given. */
export interface Ground {
  /** A number in [0, 1), the same for the same seed and generator. */
  random(): number;
  db: string;
  /** A folder of its own. */
  place: string;
  policy: string;
  daemon: number;
  metricsPort: number;
  /** What the daemon has said so far on standard error. */
  said(): string;
}

/** A way in, and one case of bad input after the other. */
export interface Edge {
  name: string;
  /** Runs one case. Throws an Error that says what is wrong with what came of it. */
  attempt(ground: Ground): Promise<void>;
}

/** What a generator has come to. */
export interface Tally {
  cases: number;
  /** With the number of the case, which together with the seed repeats it. */
  faults: string[];
}

/** Runs cases of one edge, one after the other, until `until` by performance.now(), or until a verdict was wrong. */
export async function hammer(edge: Edge, ground: Ground, asker: Asker, until: number): Promise<Tally> {
  const tally: Tally = { cases: 0, faults: [] };
  while (performance.now() < until && asker.wrong.length === 0) {
    try {
      await edge.attempt(ground);
    } catch (error) {
      tally.faults.push(`${edge.name}, case ${tally.cases}: ${(error as Error).message}`);
    }
    tally.cases += 1;
  }
  return tally;
}

/** A whole number below a limit. */
export function below(random: () => number, limit: number): number {
  return Math.floor(random() * limit);
}

export function pick<T>(random: () => number, list: readonly T[]): T {
  return list[below(random, list.length)]!;
}

/** Bytes of any kind. */
export function bytes(random: () => number, limit: number): Buffer {
  return Buffer.from(Array.from({ length: below(random, limit) }, () => below(random, 256)));
}

/** Resolves at an event of a socket, or when it is closed, for whatever reason. */
export async function settled(socket: Socket, event: 'connect' | 'data' | 'close'): Promise<void> {
  await new Promise<void>((resolve) => {
    socket.once(event, () => resolve());
    socket.once('close', () => resolve());
    if (socket.closed) resolve();
  });
}
