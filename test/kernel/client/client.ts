import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

export const PROGRAM = join(import.meta.dirname, 'client');

export interface Destination {
  address: string;
  port: number;
}

/** How often each destination was allowed and denied. */
export interface Tally {
  allowed: number;
  denied: number;
}

export interface Work {
  destinations: readonly Destination[];
  /** UDP connect() without it; the others are connect() of TCP and sendto() of UDP. */
  call?: 'CONNECT' | 'TCP' | 'SEND';
  /** Each round goes once to every destination. None: until `finish`. */
  rounds?: number;
  /** Who makes a round: the process itself, or a thread or process made for it. */
  by?: 'plain' | 'threads' | 'forks';
  uid?: number;
  /** The directory of the cgroup to move to. */
  cgroup?: string;
}

/** A process that connects to the same destinations again and again. */
export class Client {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown[]>;
  readonly #said: Promise<string>;

  constructor({ destinations, call = 'CONNECT', rounds = 0, by = 'plain', uid = 0, cgroup = '-' }: Work) {
    const words = [call, rounds, by, uid, cgroup];
    const goals = destinations.flatMap(({ address, port }) => [address, port]);
    this.#child = spawn(PROGRAM, [...words, ...goals].map(String), { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#ended = once(this.#child, 'close');
    this.#said = text(this.#child.stdout!);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Resolves when it has begun. */
  async begun(): Promise<void> {
    await once(this.#child.stdout!, 'data');
  }

  /** Ends it, if it does not end by itself, and says what it met, in the order of its destinations. */
  async finish(): Promise<Tally[]> {
    this.#child.kill('SIGTERM');
    return this.tallies();
  }

  /** Waits for its end, and says what it met, in the order of its destinations. */
  async tallies(): Promise<Tally[]> {
    const [[status], said] = await Promise.all([this.#ended, this.#said]);
    if (status !== 0) throw new Error(`the client ended with ${String(status)}`);
    return said
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => {
        const [allowed, denied] = line.split(' ').map(Number);
        return { allowed: allowed!, denied: denied! };
      });
  }
}
