import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { check, libbpf } from '../../../bpf/libbpf.ts';
import { Ring } from '../../../bpf/ring.ts';
import { Counter, COUNTERS } from '../../../bpf/wire.ts';
import type { EventSource } from '../../../profiler/record/recorder.ts';
import { FloodState, type FloodPlan } from './flood-state.ts';

/** Bytes, as flood.bpf.c has them. */
const CONNECTIONS = 32 << 20;
const DENIALS = 4 << 20;

/** What the flood process says of one flood. CPU in seconds. */
export interface Flood {
  written: number;
  seconds: number;
  cpu: number;
}

/** The flood process, and its rings as a source of events for a recorder in this process. */
export class Flooder implements EventSource, Disposable {
  readonly connections: Ring;
  readonly denials: Ring;
  readonly state: FloodState;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>, ids: number[]) {
    this.#child = child;
    this.#lines = lines;
    const [connections, denials, state] = ids.map((id) =>
      check('bpf_map_get_fd_by_id', libbpf().bpf_map_get_fd_by_id(id)),
    );
    this.connections = new Ring(connections!, CONNECTIONS);
    this.denials = new Ring(denials!, DENIALS);
    this.state = FloodState.of(state!);
  }

  static async start({ subjects, destinations, denyEvery }: Omit<FloodPlan, 'processes'>): Promise<Flooder> {
    const file = fileURLToPath(new URL('flood.js', import.meta.url));
    const child = spawn(process.execPath, [file, ...[subjects, destinations, denyEvery].map(String)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    const first = await lines.next();
    if (first.done === true) throw new Error('the flood process could not start; does this kernel run BPF?');
    return new Flooder(child, lines, JSON.parse(first.value) as number[]);
  }

  /** Connections a second (0: as many as it can) for so long. Resolves when it is over. */
  async flood(rate: number, seconds: number): Promise<Flood> {
    this.#child.stdin!.write(`${rate} ${seconds}\n`);
    const line = await this.#lines.next();
    return JSON.parse(line.value as string) as Flood;
  }

  counters(): number[] {
    const { lost, lostDenials, lostProcesses } = this.state.counters();
    const counters = Array.from({ length: COUNTERS }, () => 0);
    counters[Counter.lostConnection] = lost;
    counters[Counter.lostDenial] = lostDenials;
    counters[Counter.lostProcess] = lostProcesses;
    return counters;
  }

  /** Its rings are filled without shares. */
  takeFolds(): boolean {
    return true;
  }

  /** There are fewer processes than are remembered, and each is reported once. */
  tellAgain(): void {}

  [Symbol.dispose](): void {
    this.#child.kill();
    this.connections[Symbol.dispose]();
    this.denials[Symbol.dispose]();
  }
}
